// Law: pure. A message for people: one line, safe to print.
import { visible } from '../../visible.ts'
import { rowOf } from './attributes.ts'
import { hex } from '../../hex.ts'
import { showType } from './forms.ts'
import { type Decoded, type Message, binding, isRfc3489 } from './message.ts'

/** `Binding request b7e7a701bc34d686fa87dfae SOFTWARE "x" XOR-MAPPED-ADDRESS 192.0.2.1:32853`. */
export const describe = (message: Message | Decoded): string => {
  const { class: kind, method, transactionId, attributes } = message
  const words = [method === binding ? 'Binding' : `method ${showType(method)}`, kind]
  words.push(isRfc3489(transactionId, 0) ? `${hex(transactionId)} (RFC 3489)` : hex(transactionId.subarray(4)))
  for (const { name, value } of attributes) words.push(name, rowOf(name).show(value))
  if ('unknown' in message) words.push(...message.unknown.map(type => `unknown ${showType(type)}`))
  return visible(words.join(' '))
}

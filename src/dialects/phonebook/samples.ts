// Law: data only. Valid messages of the phonebook dialect and between peers, for fuzzing: alice is the client under test.
import { encodeRegistration } from './codec.ts'
import { directMessage, encodePeerMessage, encodeText } from './peer.ts'

const text = (words: string): Uint8Array => new TextEncoder().encode(words)
const tag = new Uint8Array(8).fill(7)
const transaction = new Uint8Array(12).fill(9)
const [key, sig] = [`${'k'.repeat(85)}A`, `${'s'.repeat(85)}w`]

export const samples: readonly Uint8Array[] = [
  text('alice'),
  text('bob\r\n'),
  encodeRegistration({ name: 'alice', newer: true, stage: '', seek: 'bob', cookie: undefined, hosts: [] }, true),
  text('bob v=2 seek=alice stage=jam cookie=abcdefgh host=10.0.0.1:5000 host=[fe80::1]:6000'),
  text('carol v=2 seek=dave'),
  text(`erin v=2 seek=alice cookie=abcdefgh key=${key} to=203.0.113.10:8080 sig=${sig}`),
  text('dave v=2 stage=opera seek=carol'),
  // Words of the other dialects are no names.
  text('REGISTER'),
  text('LIST_ACK:1,(192.0.2.1, 5000)'),
  text('0,2,alice,198.51.100.1,5000\n1,2,bob,198.51.100.2,5000,v=2,ok=1,pair=abcdefghijklmnop,host=10.0.0.1:5000\n'),
  text('0,1,alice,198.51.100.1,5000,v=2,ok=1,cookie=abcdefghijklmnop\n'),
  text('1,2,bob,198.51.100.2,5000\n'),
  text(`1,2,bob,198.51.100.2,5000,v=2,ok=1,key=${key}\n0,2,alice,198.51.100.1,5000,v=2,taken=1,cookie=abcdefgh\n`),
  encodeText(directMessage('bob', 'alice')),
  encodePeerMessage({ type: 'check', transaction, tag, pair: 'abcdefghijklmnop', from: 'bob', to: 'alice' }),
  encodePeerMessage({ type: 'check-response', transaction, tag, observed: { address: '192.0.2.1', port: 5000 } }),
  encodePeerMessage({ type: 'data', tag, sequence: 3, payload: text('hello') }),
  encodePeerMessage({ type: 'keepalive', tag }),
  encodePeerMessage({ type: 'close', tag }),
]

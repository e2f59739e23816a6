// What travels in the stun dialect, for the fuzzer to begin with.
import { encodeUtf8 } from '../../utf8.ts'
import type { Attribute } from './attributes.ts'
import { withFingerprint } from './integrity.ts'
import { type Class, binding, encode, newTransactionId } from './message.ts'

const here = { address: '192.0.2.1', port: 5000 }
const there = { address: '2001:db8::1', port: 3478 }

const sample = (kind: Class, ...attributes: Attribute[]): Uint8Array =>
  encode({ class: kind, method: binding, transactionId: newTransactionId(new Uint8Array(12).fill(7)), attributes })

export const samples: readonly Uint8Array[] = [
  sample('request'),
  withFingerprint(sample('request', { name: 'SOFTWARE', value: 'a tester' })),
  encode({ class: 'request', method: binding, transactionId: new Uint8Array(16).fill(7), attributes: [] }), // RFC 3489
  sample('request', { name: 'CHANGE-REQUEST', value: { ip: false, port: true } }),
  sample('request', { name: 'RESPONSE-PORT', value: 5001 }),
  sample('request', { name: 'PADDING', value: 16 }),
  sample('indication', { name: 'CLIENT-ID', value: '10' }),
  sample(
    'request',
    { name: 'CLIENT-ID', value: '10' },
    { name: 'PEER-ID', value: '14' },
    { name: 'XOR-MAPPED-ADDRESS', value: here },
  ),
  sample(
    'success response',
    { name: 'XOR-MAPPED-ADDRESS', value: here },
    { name: 'MAPPED-ADDRESS', value: here },
    { name: 'OTHER-ADDRESS', value: there },
    { name: 'XOR-PEER-ADDRESS', value: there },
  ),
  sample('error response', { name: 'ERROR-CODE', value: { code: 420, reason: 'Unknown Attribute' } }),
  sample('indication', { name: 'PEER-ID', value: '14' }, { name: 'XOR-PEER-ADDRESS', value: here }),
  encodeUtf8('a line of text between two peers'),
]

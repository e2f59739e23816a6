// Law: pure; a literal table. One attribute, one row: its name as the RFC writes it, its type, the form of its value.
import {
  type Form,
  change,
  errorCode,
  filler,
  flag,
  number32,
  number64,
  opaque,
  plainAddress,
  portNumber,
  text,
  typeList,
  xorAddress,
} from './forms.ts'

const longestText = 763 // 127 characters of UTF-8: RFC 8489 s.14.8 to s.14.10, s.14.14

/**
 * RFC 3489's RESPONSE-ADDRESS (0x0002) is left out, so that it is refused with 420: whoever answers to where a request
 * asks him to is a reflector.
 */
export const attributes = {
  'MAPPED-ADDRESS': { type: 0x0001, ...plainAddress }, // RFC 8489 s.14.1
  'CHANGE-REQUEST': { type: 0x0003, ...change }, // RFC 5780 s.7.2, RFC 3489 s.11.2.4
  'SOURCE-ADDRESS': { type: 0x0004, ...plainAddress }, // RFC 3489 s.11.2.5
  'CHANGED-ADDRESS': { type: 0x0005, ...plainAddress }, // RFC 3489 s.11.2.3
  USERNAME: { type: 0x0006, ...text(508) }, // RFC 8489 s.14.3
  'MESSAGE-INTEGRITY': { type: 0x0008, ...opaque(20) }, // RFC 8489 s.14.5
  'ERROR-CODE': { type: 0x0009, ...errorCode(longestText) }, // RFC 8489 s.14.8
  'UNKNOWN-ATTRIBUTES': { type: 0x000a, ...typeList }, // RFC 8489 s.14.13
  'XOR-PEER-ADDRESS': { type: 0x0012, ...xorAddress }, // RFC 8656 s.18.3; here as docs/dialects.md section 3 has it
  REALM: { type: 0x0014, ...text(longestText) }, // RFC 8489 s.14.9
  NONCE: { type: 0x0015, ...text(longestText) }, // RFC 8489 s.14.10
  'MESSAGE-INTEGRITY-SHA256': { type: 0x001c, ...opaque(16, 32) }, // RFC 8489 s.14.6
  'XOR-MAPPED-ADDRESS': { type: 0x0020, ...xorAddress }, // RFC 8489 s.14.2
  PRIORITY: { type: 0x0024, ...number32 }, // RFC 8445 s.16.1
  'USE-CANDIDATE': { type: 0x0025, ...flag }, // RFC 8445 s.16.1
  PADDING: { type: 0x0026, ...filler }, // RFC 5780 s.7.6
  'RESPONSE-PORT': { type: 0x0027, ...portNumber }, // RFC 5780 s.7.5
  SOFTWARE: { type: 0x8022, ...text(longestText) }, // RFC 8489 s.14.14
  'ALTERNATE-SERVER': { type: 0x8023, ...plainAddress }, // RFC 8489 s.14.15
  FINGERPRINT: { type: 0x8028, ...number32 }, // RFC 8489 s.14.7
  'ICE-CONTROLLED': { type: 0x8029, ...number64 }, // RFC 8445 s.16.1
  'ICE-CONTROLLING': { type: 0x802a, ...number64 }, // RFC 8445 s.16.1
  'RESPONSE-ORIGIN': { type: 0x802b, ...plainAddress }, // RFC 5780 s.7.3
  'OTHER-ADDRESS': { type: 0x802c, ...plainAddress }, // RFC 5780 s.7.4
  'CLIENT-ID': { type: 0xc0d1, ...text(longestText) }, // docs/dialects.md section 3
  'PEER-ID': { type: 0xc0d2, ...text(longestText) }, // docs/dialects.md section 3
} as const

type Table = typeof attributes
export type AttributeName = keyof Table
export type ValueOf<Name extends AttributeName> = Table[Name] extends Form<infer Value> ? Value : never
export type Attribute = {
  [Name in AttributeName]: { readonly name: Name; readonly value: ValueOf<Name> }
}[AttributeName]

/** A row whose value is known by its name alone. */
export type Row = Form<unknown> & { readonly type: number }
export const rowOf = (name: AttributeName): Row => attributes[name]

const names = Object.keys(attributes) as AttributeName[]
const byType = new Map<number, AttributeName>(names.map(name => [attributes[name].type, name]))
export const nameOf = (type: number): AttributeName | undefined => byType.get(type)

/** Who does not understand such an attribute must not go on (RFC 8489 s.14). */
export const isComprehensionRequired = (type: number): boolean => type < 0x8000

// Law: pure, but for the number that is given out next. What the Stage Manager answers in the numbered dialect:
// docs/dialects.md section 5.
import { type Endpoint, familyOf } from '../../endpoint.ts'
import type { Phonebook } from '../../phonebook.ts'
import { encodeUtf8, utf8Length } from '../../utf8.ts'
import type { Answer, Dialect, Payer } from '../dialect.ts'
import { beginsWith } from '../words.ts'
import {
  type NumberedAnswer,
  type NumberedRequest,
  type Row,
  decodeNumberedRequest,
  encodeNumberedAnswer,
  encodeNumberedRequest,
  isNumberedRequest,
  longestList,
  rowOf,
} from './codec.ts'

const standing = 'older'
const verbs = ['REGISTER', 'LIST', 'EXIT', 'CONNECT:']
const someone: Endpoint = { address: '192.0.2.1', port: 5000 }
/** Entries that are looked at for a list: as many as could fit, and then some that can't stand in it. */
const mostLookedAt = 200

/** One for each server: ids count from 1 and are never given out twice. */
export const createNumbered = (): Dialect<NumberedRequest> => {
  let nextId = 1

  const freeId = (book: Phonebook): string => {
    while (book.find(String(nextId)) || book.isKept(String(nextId), '', 'numbered')) nextId++
    return String(nextId++)
  }

  return {
    door: 'numbered',
    recognises: bytes => verbs.some(verb => beginsWith(bytes, verb)) && isNumberedRequest(bytes),
    decode: decodeNumberedRequest,
    samples,

    answer(request, from, bytesIn, desk) {
      const { phonebook: book, via } = desk
      book.expire(desk.now())
      const known = book.numberedAt(from)
      const payer: Payer = known ?? { endpoint: from, creditBytes: 0 }
      const says = (answer: NumberedAnswer): Answer => ({ datagrams: [encodeNumberedAnswer(answer)], payer, standing })
      const allowance = desk.allowance(payer, bytesIn, standing)
      const asked = { verb: request.verb, ...(known && { name: known.name }) }
      if (request.verb === 'REGISTER') {
        const name = known?.name ?? freeId(book)
        const registration = {
          name,
          stage: '',
          newer: false,
          hosts: [],
          endpoint: from,
          door: 'numbered',
          via,
        } as const
        const registered = book.register(registration, desk.now())
        return { ...says({ verb: 'REGISTER_ACK', id: name }), registered, asked: { ...asked, name } }
      }
      if (!known) return says({ verb: 'ERROR', reason: 'not registered' })
      switch (request.verb) {
        case 'LIST': {
          const rows = rowsFor(known.name, book, Math.min(longestList, allowance.bytes - allowance.headerBytes))
          return { ...says({ verb: 'LIST_ACK', rows }), asked }
        }
        case 'EXIT':
          book.remove(known)
          return { ...says({ verb: 'EXIT_ACK' }), asked }
        case 'CONNECT': {
          const peer = book.find(request.id)
          if (!peer || familyOf(peer.endpoint.address) === 6) return says({ verb: 'CONNECT_NAK', id: request.id })
          const introductions = peer === known ? [] : [[peer, known] as const]
          return {
            ...says({ verb: 'CONNECT_ACK', endpoint: peer.endpoint }),
            introductions,
            asked: { ...asked, peer: peer.name, to: peer.endpoint },
          }
        }
      }
    },

    // The older client takes nothing that it has not asked for.
    introduce: () => [],
  }
}

/** Whole rows, the newest first, as many as fit. */
const rowsFor = (me: string, book: Phonebook, mostBytes: number): Row[] => {
  const rows: Row[] = []
  let bytes = 'LIST_ACK:'.length
  const others = book.latest('', mostLookedAt, ({ name, endpoint }) => {
    return name !== me && !name.includes(':') && familyOf(endpoint.address) === 4
  })
  for (const { name: id, endpoint } of others) {
    const row = { id, endpoint }
    bytes += utf8Length(rowOf(row)) + (rows.length > 0 ? 1 : 0)
    if (bytes > mostBytes) break
    rows.push(row)
  }
  return rows
}

const samples: readonly Uint8Array[] = [
  encodeNumberedRequest({ verb: 'REGISTER' }),
  encodeNumberedRequest({ verb: 'LIST' }),
  encodeNumberedRequest({ verb: 'CONNECT', id: '2' }),
  encodeNumberedRequest({ verb: 'EXIT' }),
  encodeNumberedAnswer({ verb: 'REGISTER_ACK', id: '1' }),
  encodeNumberedAnswer({
    verb: 'LIST_ACK',
    rows: [
      { id: '2', endpoint: someone },
      { id: 'bob', endpoint: someone },
    ],
  }),
  encodeNumberedAnswer({ verb: 'CONNECT_ACK', endpoint: someone }),
  encodeNumberedAnswer({ verb: 'CONNECT_NAK', id: '7' }),
  encodeNumberedAnswer({ verb: 'EXIT_ACK' }),
  encodeNumberedAnswer({ verb: 'ERROR', reason: 'not registered' }),
  encodeUtf8('a message between two clients'),
]

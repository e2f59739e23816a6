// Law: pure. What the Stage Manager answers in the connect dialect: docs/dialects.md section 2.
import { canReach, sameEndpoint } from '../../endpoint.ts'
import type { Entry } from '../../entry.ts'
import type { Answer, Dialect, Payer } from '../dialect.ts'
import { beginsWith } from '../words.ts'
import {
  type ConnectAnswer,
  type ConnectRequest,
  decodeConnectRequest,
  encodeConnectAnswer,
  encodeConnectRequest,
  isConnectRequest,
} from './codec.ts'
import { encodeUtf8 } from '../../utf8.ts'

const standing = 'older'

export const connect: Dialect<ConnectRequest> = {
  door: 'connect',
  recognises: bytes => (beginsWith(bytes, 'REGISTER ') || beginsWith(bytes, 'CONNECT ')) && isConnectRequest(bytes),
  decode: decodeConnectRequest,
  samples: [
    encodeConnectRequest({ verb: 'REGISTER', id: '12345' }),
    encodeConnectRequest({ verb: 'CONNECT', id: '12345', peer: '56789' }),
    encodeConnectAnswer({ verb: 'REGISTERED', address: '192.0.2.1' }),
    encodeConnectAnswer({ verb: 'CONNECT', id: '56789', endpoint: { address: '192.0.2.2', port: 5000 } }),
    encodeConnectAnswer({ verb: 'ERROR', reason: 'unknown id 56789' }),
    encodeUtf8('a line of text between two peers'),
  ],

  answer(request, from, bytesIn, desk) {
    const { phonebook: book, via } = desk
    const { id } = request
    book.expire(desk.now())
    const guest: Payer = { endpoint: from, creditBytes: 0 }
    const says = (answer: ConnectAnswer, payer = guest): Answer => {
      desk.allowance(payer, bytesIn, standing)
      return { datagrams: [encodeConnectAnswer(answer)], payer, standing }
    }
    if (request.verb === 'REGISTER') {
      if (book.isKept(id, '', 'connect')) return says({ verb: 'ERROR', reason: `id ${id} in use` })
      const registration = {
        name: id,
        stage: '',
        newer: false,
        hosts: [],
        endpoint: from,
        door: 'connect',
        via,
      } as const
      const registered = book.register(registration, desk.now())
      return { ...says({ verb: 'REGISTERED', address: from.address }, registered.entry), registered }
    }
    const source = book.find(id)
    if (!source) return says({ verb: 'ERROR', reason: `unknown id ${id}` })
    if (source.door !== 'connect' || !sameEndpoint(source.endpoint, from)) return 'not-its-own'
    const peer = book.find(request.peer)
    if (!peer || !canReach(from, peer.endpoint)) {
      return says({ verb: 'ERROR', reason: `unknown id ${request.peer}` }, source)
    }
    for (const entry of [source, peer]) if (entry.door === 'connect') book.remove(entry)
    return {
      ...says({ verb: 'CONNECT', id: peer.name, endpoint: peer.endpoint }, source),
      introductions: canReach(peer.endpoint, from) && peer !== source ? [[peer, source]] : [],
      asked: { verb: 'CONNECT', name: id, peer: peer.name },
    }
  },

  introduce: (receiver, entries) => entries.filter(isFor(receiver)).map(introduction),
}

const isFor =
  (receiver: Entry) =>
  ({ endpoint }: Entry): boolean =>
    canReach(receiver.endpoint, endpoint)

const introduction = ({ name, endpoint }: Entry): Uint8Array =>
  encodeConnectAnswer({ verb: 'CONNECT', id: name, endpoint })

// Law: pure, but for its members. What the Stage Manager answers in the directory dialect: docs/dialects.md section 4.
import { canReach } from '../../endpoint.ts'
import { encodeUtf8 } from '../../utf8.ts'
import type { Dialect } from '../dialect.ts'
import { decodeBind, encodeBind, tokenLength } from './codec.ts'
import { converse, createMembers, linesOf, mostMissed } from './conversation.ts'
import { createListing } from './listing.ts'

export type BindRequest = { readonly token: string }

/** One for each server: its members are those whose connections are open. */
export const createDirectory = (): Dialect<BindRequest> => {
  const members = createMembers()
  const listing = createListing()

  return {
    door: 'directory',
    samples: [encodeBind('0'.repeat(tokenLength)), encodeUtf8('a line of text between two peers')],
    recognises: bytes => members.byToken.has(decodeBind(bytes) ?? ''),
    decode: bytes => ({ token: decodeBind(bytes) ?? '' }),

    answer({ token }, from, bytesIn, { phonebook: book, now, via, allowance }) {
      const member = members.byToken.get(token)
      if (!member) return 'unrecognised'
      const registration = {
        name: member.nick,
        stage: '',
        newer: false, // v=2 in the phonebook means checks, and HELLO promises none
        hosts: [],
        endpoint: from,
        door: 'directory',
        via,
      } as const
      const registered = book.register(registration, now())
      allowance(registered.entry, bytesIn, 'older')
      const answer = { datagrams: [], payer: registered.entry, standing: 'older', registered } as const
      // A connection loses nothing: it is said once.
      if (registered.change === 'refreshed') return answer
      return { ...answer, told: { name: member.nick, bytes: linesOf({ verb: 'BOUND', endpoint: from }) } }
    },

    converse: from => converse(from, members, listing),

    introduce(receiver, entries) {
      const member = members.byNick.get(receiver.name)
      if (!member?.takesQueries) {
        for (const { name } of entries) if (member && member.missed.size < mostMissed) member.missed.add(name)
        return []
      }
      return entries
        .filter(({ endpoint }) => canReach(receiver.endpoint, endpoint))
        .map(({ name: nick, endpoint }) => linesOf({ verb: 'QUERIED-BY', nick, endpoint }))
    },
  }
}

// The peers that we have had a private line with, and their keys, as ssh keeps its known_hosts: a line each, `server/stage`, the
// name, the key. What is known once stays, until somebody says `--forget`.
import { appendFileSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fingerprintOf, is64Bytes } from '../identity.ts'
import { visible } from '../visible.ts'
import { readOwn, refused, stateDirectory, writeOwn } from './state-files.ts'

/** A name means somebody on a stage of a server. `server`: as it was given, with its port. */
export type PeerPlace = { readonly server: string; readonly stage: string; readonly peer: string }

export type KnownPeers = {
  readonly path: string
  keyOf(place: PeerPlace): string | undefined
  /** Does nothing where the peer is known already. */
  remember(place: PeerPlace, key: string): void
  /** Everybody of this name; what was known of them. */
  forget(peer: string): readonly Known[]
}

export type Known = { readonly place: string; readonly peer: string; readonly key: string }

/** What `--forget PEER` prints. */
export const forgetPeer = (peer: string): string => {
  const known = openKnownPeers()
  const forgotten = known.forget(peer.normalize('NFC'))
  if (forgotten.length === 0) return `${visible(peer)} is not known here (${known.path}).\n`
  return forgotten
    .map(({ place, key }) => `Forgot ${visible(peer)} at ${visible(place)}: ${fingerprintOf(key)}\n`)
    .join('')
}

const placeOf = ({ server, stage }: PeerPlace): string => `${server.toLowerCase().replace(/\s/g, '')}/${stage}`

export const openKnownPeers = (path = join(stateDirectory(), 'known-peers')): KnownPeers => {
  const find = (place: PeerPlace): Known | undefined =>
    read(path).find(({ known }) => known?.place === placeOf(place) && known.peer === place.peer)?.known
  return {
    path,
    keyOf: place => find(place)?.key,
    remember(place, key) {
      if (find(place)) return
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
      const gap = read(path).at(-1)?.text === '' ? '' : '\n' // whoever wrote by hand may have left the last line open
      // One short write at the end: two programs that do this at once don't lose each other's line.
      appendFileSync(path, `${gap}${placeOf(place)} ${place.peer} ${key}\n`, { mode: 0o600 })
    },
    forget(peer) {
      const lines = read(path)
      const kept = lines.filter(({ known }) => known?.peer !== peer)
      if (kept.length < lines.length) writeOwn(path, kept.map(({ text }) => text).join('\n'), 'replace')
      return lines.flatMap(({ known }) => (known?.peer === peer ? [known] : []))
    },
  }
}

type Line = { readonly text: string; readonly known?: Known }

/** Lines that tell of nobody, comments among them, stay as they are. */
const read = (path: string): Line[] =>
  (readOwn(path, 'public') ?? '').split('\n').map((text, i) => {
    if (text === '' || text.startsWith('#')) return { text }
    const [place = '', peer = '', key = '', ...rest] = text.split(' ')
    if (is64Bytes(key) && place.includes('/') && rest.length === 0) return { text, known: { place, peer, key } }
    throw refused(`${path}, line ${i + 1} cannot be read: correct or remove it`)
  })

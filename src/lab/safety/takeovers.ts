// S7: every way to get at a name that somebody owns, against the production server; and its owner, who comes back from elsewhere.
// Signatures are made with production code; what an onlooker, another server or a stranger has of them is all used.
import { claimBytes } from '../../claim.ts'
import { type Line, type RegistrationRequest, decodeLines, encodeRegistration } from '../../dialects/phonebook/codec.ts'
import { type Endpoint, sameEndpoint } from '../../endpoint.ts'
import { type Identity, identityOf, identitySeedLength } from '../../identity.ts'
import { toBase64url } from '../../rfc4648.ts'
import { type Random, seededRandom } from '../../sim/random.ts'
import { type Forge, createForger, serverEndpoint, words } from '../forger.ts'
import { mutated } from '../mutate.ts'
import { type Stage, createStage } from '../stage.ts'
import type { WorldFigure } from './figure.ts'

const name = 'alice'
const latencyMs = 10
/** One in this time, so that the limit on verifications hides nothing. */
const everyMs = 100
/** After so many the owner comes back from another endpoint. */
const perPlace = 50
const otherServer: Endpoint = { address: '203.0.113.66', port: 8080 }

type Party = { readonly at: Endpoint; say(bytes: Uint8Array): void; readonly heard: Line[] }

const partyIn = ({ world }: Stage, address: string, port: number): Party => {
  const heard: Line[] = []
  const socket = world.host({ address, name: `${address} ${port}` }).udp({ port })
  socket.onDatagram(bytes => heard.unshift(...decodeLines(bytes)))
  return { at: { address, port }, heard, say: bytes => socket.send(bytes, serverEndpoint) }
}

type Wanted = {
  readonly cookie?: string | undefined
  readonly to?: Endpoint
  readonly stage?: string
  readonly name?: string
}

const signed = (identity: Identity, { cookie = '', ...other }: Wanted): RegistrationRequest => {
  const request = { name, stage: '', newer: true, hosts: [], key: identity.key, to: serverEndpoint, cookie, ...other }
  return { ...request, sig: toBase64url(identity.sign(claimBytes(request))) }
}

/** Registers with a signature, as the client does: once for the cookie, once with it. Returns how long that took. */
const claim = (stage: Stage, party: Party, identity: Identity): number => {
  const startedMs = stage.world.now()
  party.say(encodeRegistration({ ...signed(identity, {}), cookie: undefined, sig: undefined }, true))
  stage.world.runUntil(() => party.heard.length > 0, startedMs + 1000)
  const cookie = party.heard[0]?.cookie
  party.heard.length = 0
  party.say(encodeRegistration(signed(identity, { cookie })))
  stage.world.runUntil(() => party.heard.length > 0, startedMs + 2000)
  return stage.world.now() - startedMs
}

type Rig = {
  readonly random: Random
  readonly forge: Forge
  readonly owner: Party
  readonly identity: Identity
  readonly thief: Party
  readonly thiefs: Identity
  /** What the server has given the thief for its endpoint: the cookie that a claim from there would have to sign. */
  readonly cookie: string
  /** All that the owner ever said to this server, oldest first; and where it was. */
  readonly overheard: readonly { readonly bytes: Uint8Array; readonly from: Endpoint }[]
}

const pick = <T>(items: readonly T[], random: Random): T => items[Math.floor(random.next() * items.length)] as T
const random64 = (random: Random): string => toBase64url(random.bytes(64))
const plainly = (request: RegistrationRequest): Uint8Array => encodeRegistration(request)

/** From the thief's own endpoint, unless it is forged. */
const attacks: Readonly<Record<string, (rig: Rig) => void>> = {
  'without a key': ({ thief, cookie }) => thief.say(plainly({ name, stage: '', newer: true, hosts: [], cookie })),
  'as an older client': ({ thief }) => thief.say(words(name)),
  'through another door': ({ thief, random }) =>
    thief.say(words(pick([`REGISTER ${name}`, `CONNECT ${name} bob`, `CONNECT bob ${name}`], random))),
  'with a key of its own': ({ thief, thiefs, cookie }) => thief.say(plainly(signed(thiefs, { cookie }))),
  "with the owner's key and a random signature": ({ thief, identity, cookie, random }) =>
    thief.say(plainly({ ...signed(identity, { cookie }), sig: random64(random) })),
  "with the owner's key and its own signature": ({ thief, thiefs, identity, cookie }) =>
    thief.say(plainly({ ...signed(thiefs, { cookie }), key: identity.key })),
  replayed: ({ thief, overheard, random }) => thief.say(pick(overheard, random).bytes),
  'replayed, with the cookie of the thief': ({ thief, identity, owner, cookie }) =>
    thief.say(plainly({ ...signed(identity, { cookie: owner.heard[0]?.cookie }), cookie })),
  'replayed from where it was said': ({ forge, overheard, random }) => {
    const { bytes, from } = pick(overheard, random)
    forge(bytes, from)
  },
  'stripped of its key, from its own endpoint': ({ forge, owner }) =>
    forge(words(`${name} v=2 seek=mallory cookie=${owner.heard[0]?.cookie}`), owner.at),
  'its name alone, from its own endpoint': ({ forge, owner }) => forge(words(name), owner.at),
  // The owner dials the thief's server, which hands it a cookie of ours.
  'relayed from another server': ({ thief, identity, cookie }) =>
    thief.say(plainly(signed(identity, { cookie, to: otherServer }))),
  'relayed from another server, and said to be for ours': ({ thief, identity, cookie }) =>
    thief.say(plainly({ ...signed(identity, { cookie, to: otherServer }), to: serverEndpoint })),
  'signed for another stage': ({ thief, identity, cookie }) =>
    thief.say(plainly({ ...signed(identity, { cookie, stage: 'jam' }), stage: '' })),
  'signed for another name': ({ thief, identity, cookie }) =>
    thief.say(plainly({ ...signed(identity, { cookie, name: 'alicia' }), name })),
  'signed for a stale cookie': ({ thief, identity, random }) =>
    thief.say(plainly(signed(identity, { cookie: random64(random).slice(0, 16) }))),
  'almost what the owner says': ({ thief, forge, owner, overheard, random }) => {
    const bytes = mutated(
      overheard.slice(-4).map(said => said.bytes),
      random,
    )
    if (random.next() < 0.5) thief.say(bytes)
    else forge(bytes, { ...owner.at, port: 1024 + Math.floor(random.next() * 60_000) })
  },
}

export const takeovers: WorldFigure = {
  id: 'S7',
  promised: '0 of 10^4 takeovers of an owned live name; own rebind accepted at once; a relayed claim refused',
  measure(size) {
    const count = size === 'whole' ? 10_000 : 1000
    const stage = createStage({ seed: 7, trace: false, keepEvents: false, link: { latencyMs: latencyMs / 2 } })
    const { server } = stage.startServer()
    const forge = createForger(stage)
    const random = seededRandom(7, 'thief')
    const [identity, thiefs] = [1, 2].map(n => identityOf(new Uint8Array(identitySeedLength).fill(n))) as [
      Identity,
      Identity,
    ]
    const thief = partyIn(stage, '192.0.2.66', 6666)
    const overheard: { bytes: Uint8Array; from: Endpoint }[] = []
    const kinds = Object.entries(attacks)
    let owner = thief
    let slowestMs = 0
    let taken = 0
    let moved = 0
    for (let i = 0; i < count; i++) {
      if (i % perPlace === 0) {
        owner = partyIn(stage, `198.51.${100 + (moved >> 7)}.${(moved % 128) + 1}`, 5000 + i)
        const { at, heard } = owner
        const listening = {
          at,
          heard,
          say: (bytes: Uint8Array) => void (overheard.push({ bytes, from: at }), owner.say(bytes)),
        }
        slowestMs = Math.max(slowestMs, claim(stage, listening, identity))
        moved++
      }
      thief.heard.length = 0
      thief.say(words(`${name} v=2`))
      stage.world.run(stage.world.now() + 3 * latencyMs)
      const cookie = thief.heard[0]?.cookie ?? ''
      pick(kinds, random)[1]({ random, forge, owner, identity, thief, thiefs, cookie, overheard })
      stage.world.run(stage.world.now() + everyMs)
      const entry = server.phonebook.find(name)
      const isOwners = entry !== undefined && sameEndpoint(entry.endpoint, owner.at) && entry.key === identity.key
      const isUntouched = entry?.newer === true && entry.seek === undefined && entry.claim !== undefined
      if (!isOwners || !isUntouched) taken++
    }
    return {
      measured: `${taken} of ${count} in ${kinds.length} ways; its owner moved ${moved - 1} times, in ${slowestMs} ms at most (two round trips are ${4 * latencyMs})`,
      pass: taken === 0 && slowestMs <= 4 * latencyMs && moved > 1,
    }
  },
}

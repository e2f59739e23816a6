// What a client finds out about its own NAT, and tells the server: against NATs that are known.
import t from 'tap'
import { decodeRegistration } from '../src/dialects/phonebook/codec.ts'
import { parseHint } from '../src/dialects/phonebook/hint.ts'
import { isStun } from '../src/dialects/stun/message.ts'
import { overhear } from '../src/lab/forger.ts'
import { fourSockets, stageIn } from '../src/lab/stage.ts'
import { createTopology } from '../src/lab/topology.ts'
import { type NatProfile, behaviors, profileNamed, profiles } from '../src/nat-profile.ts'
import { seededRandom } from '../src/sim/random.ts'

const [EI, AD] = behaviors

/** The hints that Alice sends from behind this NAT, in turn, and how many questions she asks. */
const toldBehind = (profile: NatProfile, seed: number, loss: number) => {
  const random = seededRandom(seed, 'own NAT')
  const aliceServer = { latencyMs: 2 + random.next() * 60, jitterMs: random.next() * 20, loss }
  const topology = createTopology(profile, profileNamed('none'), { seed, trace: false, ways: { aliceServer } })
  const hints: string[] = []
  let questions = 0
  overhear(topology.alice, bytes => {
    if (isStun(bytes)) questions++
    const said = decodeRegistration(bytes)
    if (typeof said === 'object' && said.nat !== undefined && hints.at(-1) !== said.nat) hints.push(said.nat)
  })
  const stage = stageIn(topology.world, [topology.alice, topology.server])
  stage.startServer({ listen: fourSockets('4') })
  stage.startClient('alice', 'bob')
  stage.world.run(20_000)
  return { hints, questions }
}

const seeds = [1, 2, 3, 4, 5]

t.test(
  'behind every NAT its mapping is known, its filter where the mapping asks for more, and never wrongly',
  async t => {
    for (const profile of profiles.values()) {
      if (profile.kind !== 'nat') continue
      for (const loss of [0, 0.1]) {
        for (const seed of seeds) {
          const { hints } = toldBehind(profile, seed, loss)
          const last = parseHint(hints.at(-1) ?? '')
          const story = `${profile.name}, seed ${seed}, ${100 * loss} % lost: ${hints.join(' then ')}`
          t.equal(last?.mapping, profile.mapping, story)
          // Of what asks for no spraying nothing more; without another address nobody sees how open an open filter is.
          const isHard = profile.mapping !== EI
          t.equal(last?.filtering, isHard ? (profile.filtering === EI ? AD : profile.filtering) : undefined, story)
          t.equal((last?.ports ?? []).length > 0, isHard, story)
        }
      }
    }
  },
)

t.test('where the server sees our own address and port there is no NAT, and nobody is asked', async t => {
  for (const seed of seeds) {
    for (const name of ['none', 'firewall']) {
      const { hints, questions } = toldBehind(profileNamed(name), seed, 0.1)
      t.same([hints, questions], [['ei/-'], 0], name)
    }
  }
})

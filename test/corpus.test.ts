// The datagrams of fixtures/corpus.txt, each with a story, said to the server and to the client: they live on.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { createForger, serverEndpoint } from '../src/lab/forger.ts'
import { createStage } from '../src/lab/stage.ts'

type Row = { readonly story: string; readonly bytes: Uint8Array }

const parse = (text: string): Row[] => {
  const rows: Row[] = []
  let story = ''
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) story = line.slice(2)
    else if (line !== '') rows.push({ story, bytes: bytesOf(line) })
  }
  return rows
}

const bytesOf = (line: string): Uint8Array => {
  const [hex = '', times = '1'] = line === '-' ? [''] : line.split('*')
  if (!/^([\da-f]{2})*$/.test(hex)) throw new Error(`no hex: ${line}`)
  return new Uint8Array(Buffer.from(hex.repeat(Number(times)), 'hex'))
}

const corpus = parse(readFileSync(new URL('fixtures/corpus.txt', import.meta.url), 'utf8'))
const stranger = { address: '192.0.2.1', port: 5000 }
/** Also from where nothing may come: port 0, and the server itself. */
const sources = [stranger, { ...stranger, port: 0 }, serverEndpoint]

t.test('each has a story of its own', async t => {
  t.ok(corpus.length > 40)
  t.equal(new Set(corpus.map(({ story }) => story)).size, corpus.length)
})

t.test('said to the server, from anybody: counted once, and honest clients still meet', async t => {
  for (const { story, bytes } of corpus) {
    const stage = createStage({ seed: 1, trace: false, link: { latencyMs: 5 } })
    const { server } = stage.startServer()
    const forge = createForger(stage)
    for (const from of sources) forge(bytes, from)
    stage.world.run(100)
    const { datagramsIn, datagramsOut, bytesOut, dispositions } = server.counters()
    t.equal(datagramsIn, sources.length, story)
    t.equal(dispositions.internal, 0, story)
    t.match(dispositions, { 'bad-source': 1, 'own-echo': 1 }, story)
    t.equal(datagramsOut, dispositions.answered, `${story}: one answer where it is a registration, else silence`)
    t.ok(bytesOut <= 3 * (bytes.length + 28), story)
    const pair = [stage.startClient('honest-alice', 'honest-bob'), stage.startClient('honest-bob', 'honest-alice')]
    const both = () => pair.every(({ client }) => client.state === 'connected')
    t.ok(stage.world.runUntil(both, stage.world.now() + 1000), `${story}: they meet`)
  }
})

t.test('said to a client, from the server, its peer and strangers: it meets its peer, and keeps it', async t => {
  for (const { story, bytes } of corpus) {
    const stage = createStage({ seed: 2, trace: false, link: { latencyMs: 5 } })
    stage.startServer()
    const forge = createForger(stage)
    const alice = stage.startClient('alice', 'bob')
    const aliceAt = { address: alice.host.addresses()[0] ?? '', port: 49_152 }
    stage.world.run(100)
    for (const from of sources) forge(bytes, from, aliceAt)
    stage.world.run(200)
    const bob = stage.startClient('bob', 'alice')
    const both = () => alice.client.state === 'connected' && bob.client.state === 'connected'
    t.ok(stage.world.runUntil(both, stage.world.now() + 2000), `${story}: they meet`)
    const bobAt = { address: bob.host.addresses()[0] ?? '', port: 49_152 }
    for (const from of [...sources, bobAt]) forge(bytes, from, aliceAt)
    stage.world.run(stage.world.now() + 30_000)
    t.ok(both(), `${story}: still connected`)
    t.same([...alice.of('lost'), ...bob.of('lost')], [], story)
    t.equal(alice.client.endpoint?.address, bobAt.address, story)
  }
})

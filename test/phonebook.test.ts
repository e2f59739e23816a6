// The ring: held against a naive model of the older server's book, and bounded whatever happens to it.
import t from 'tap'
import fc from 'fast-check'
import { Order } from '../src/order.ts'
import type { Entry, Registration } from '../src/entry.ts'
import { Phonebook } from '../src/phonebook.ts'

const at = (port: number, address = '192.0.2.1') => ({ address, port })

const registration = (name: string, more: Partial<Registration> = {}): Registration => ({
  name,
  stage: '',
  endpoint: at(5000),
  door: 'phonebook',
  via: 0,
  newer: false,
  hosts: [],
  ...more,
})

const namesOf = (entries: Iterable<Entry>): string[] => [...entries].map(({ name }) => name)

/** The older server's table, as simply as it can be said. */
const classicRing = (capacity: number) => {
  const slots: ({ name: string; port: number } | undefined)[] = []
  let next = 0
  return {
    register(name: string, port: number): number {
      const known = slots.findIndex(slot => slot?.name === name)
      const slot = known < 0 ? next : known
      if (known < 0) next = (next + 1) % capacity
      slots[slot] = { name, port }
      return slot
    },
    listing: () => slots.map((slot, i) => `${i},${slots.length},${slot?.name},${slot?.port}`),
  }
}

const listing = (book: Phonebook): string[] =>
  [...book.entries()]
    .sort((a, b) => a.slot - b.slot)
    .map(({ slot, name, endpoint }) => `${slot},${book.count},${name},${endpoint.port}`)

t.test('with nobody expiring and all alike it is the classic ring: 2,000 histories', async () => {
  const step = fc.record({ name: fc.nat(40).map(n => `n${n}`), port: fc.integer({ min: 1, max: 65535 }) })
  const history = fc.record({
    capacity: fc.oneof(fc.constant(16), fc.integer({ min: 1, max: 20 })),
    steps: fc.array(step, { maxLength: 80, size: 'max' }),
  })
  fc.assert(
    fc.property(history, ({ capacity, steps }) => {
      const book = new Phonebook({ capacity, expiryMs: Infinity })
      const ring = classicRing(capacity)
      steps.forEach(({ name, port }, i) => {
        const before = listing(book)
        const { entry, change, displaced } = book.register(registration(name, { endpoint: at(port) }), i)
        const slot = ring.register(name, port)
        if (entry.slot !== slot) throw new Error(`${name}: slot ${entry.slot}, not ${slot}`)
        const known = before.some(line => line.split(',')[2] === name)
        if (known === (change === 'added')) throw new Error(`${name}: ${change}`)
        if ((displaced !== undefined) !== (!known && before.length === capacity))
          throw new Error(`${name}: displaced ${displaced?.name}`)
        const [ours, theirs] = [listing(book).join('\n'), ring.listing().join('\n')]
        if (ours !== theirs) throw new Error(`after ${name}:\n${ours}\n\n${theirs}`)
      })
    }),
    { numRuns: 2000 },
  )
})

t.test('the seventeenth of sixteen takes the oldest slot, however often the oldest was refreshed', async t => {
  const book = new Phonebook({ capacity: 16 })
  for (let i = 0; i < 16; i++) book.register(registration(`n${i}`), i)
  book.register(registration('n0', { endpoint: at(6000) }), 20)
  const { entry, displaced } = book.register(registration('late'), 30)
  t.equal(entry.slot, 0)
  t.equal(displaced?.name, 'n0')
  t.equal(displaced?.endpoint.port, 6000)
  t.equal(book.find('n0'), undefined)
  t.equal(book.register(registration('n0'), 40).displaced?.name, 'n1')
  t.same([book.size, book.count], [16, 16])
})

t.test('added, refreshed, moved: what is kept, and what is to be proven anew', async t => {
  const book = new Phonebook()
  const first = book.register(registration('alice', { newer: true }), 0)
  t.equal(first.change, 'added')
  t.same([first.entry.proven, first.entry.cookie], [false, undefined])
  first.entry.proven = true
  first.entry.cookie = 'c'

  const again = book.register(registration('alice', { newer: true, endpoint: { ...at(5000) } }), 1)
  t.equal(again.change, 'refreshed')
  t.equal(again.entry, first.entry)
  t.same([again.entry.proven, again.entry.cookie, again.formerly], [true, 'c', undefined])

  const moved = book.register(registration('alice', { newer: true, endpoint: at(5001), via: 1 }), 2)
  t.equal(moved.change, 'moved')
  t.same([moved.entry.proven, moved.entry.cookie], [false, undefined])
  t.same(moved.formerly, { endpoint: at(5000), via: 0, door: 'phonebook' }, 'its former holder is to be told')

  const unproven = book.register(registration('alice', { newer: true, endpoint: at(5002) }), 3)
  t.equal(unproven.formerly, undefined, 'an endpoint that proved nothing gets nothing')
  moved.entry.proven = true
  t.equal(book.register(registration('alice', { endpoint: at(5000) }), 4).formerly?.endpoint.port, 5002)
  moved.entry.proven = true
  const older = book.register(registration('alice', { endpoint: at(5003) }), 5)
  t.equal(older.formerly, undefined, 'an older client would not understand')
  t.equal(book.size, 1)
})

t.test('an entry ends two minutes after its last refresh, to the millisecond', async t => {
  const book = new Phonebook({ capacity: 4 })
  book.register(registration('alice'), 0)
  book.register(registration('bob'), 1000)
  book.register(registration('alice'), 60_000)
  t.equal(book.expire(120_999), 0)
  t.same(namesOf(book.entries()), ['alice', 'bob'])
  t.equal(book.expire(121_000), 1)
  t.same([book.find('bob'), book.count, book.size], [undefined, 1, 1])
  t.equal(book.register(registration('carol'), 180_000).displaced, undefined)
  t.same(namesOf(book.entries()), ['carol'], 'alice ended when carol came')
  t.equal(new Phonebook({ expiryMs: Infinity }).expire(Number.MAX_VALUE), 0)
})

t.test('a name that expired comes back as a new one, unproven', async t => {
  const book = new Phonebook({ capacity: 4, expiryMs: 100 })
  const { entry } = book.register(registration('alice', { newer: true }), 0)
  entry.proven = true
  const again = book.register(registration('alice', { newer: true }), 100)
  t.equal(again.change, 'added')
  t.not(again.entry, entry)
  t.equal(again.entry.proven, false)
  book.remove(entry)
  t.equal(book.find('alice'), again.entry, 'the dead entry can not be removed once more')
})

t.test('in a full book the slot that was given up is taken before anybody is displaced', async () => {
  const removals = fc.uniqueArray(fc.nat(15), { minLength: 1, maxLength: 16 })
  fc.assert(
    fc.property(removals, fc.nat(30), (slots, wraps) => {
      const book = new Phonebook({ capacity: 16, expiryMs: Infinity })
      for (let i = 0; i < 16 + wraps; i++) book.register(registration(`n${i}`), i)
      const all = [...book.entries()]
      const survivors = all.filter(({ slot }) => !slots.includes(slot))
      for (const entry of all) if (slots.includes(entry.slot)) book.remove(entry)
      const taken = slots.map((_, i) => book.register(registration(`late${i}`), 100 + i))
      if (taken.some(({ displaced }) => displaced)) throw new Error('displaced somebody')
      const sorted = (list: number[]) => [...list].sort((a, b) => a - b).join()
      if (sorted(taken.map(({ entry }) => entry.slot)) !== sorted(slots)) throw new Error('another slot')
      const next = book.register(registration('one too many'), 200).displaced
      // Whoever stands longest in its slot goes, wherever the gaps were.
      const oldest = [...survivors].sort((a, b) => a.refreshedAtMs - b.refreshedAtMs)[0] ?? taken[0]?.entry
      return next === oldest
    }),
    { numRuns: 500 },
  )
})

t.test('the count is the highest slot in use and one, also when the top falls off', async t => {
  const book = new Phonebook({ capacity: 8 })
  const entries = ['a', 'b', 'c', 'd'].map(name => book.register(registration(name), 0).entry)
  const [a, b, c, d] = entries as [Entry, Entry, Entry, Entry]
  book.remove(b)
  t.equal(book.count, 4)
  book.remove(d)
  t.equal(book.count, 3)
  book.remove(c)
  t.equal(book.count, 1)
  book.remove(a)
  book.remove(a)
  t.same([book.count, book.size, [...book.entries()]], [0, 0, []])
})

t.test('the same name on two stages is two people', async t => {
  const book = new Phonebook()
  const one = book.register(registration('alice'), 0).entry
  const other = book.register(registration('alice', { stage: 'jam' }), 0).entry
  t.not(one, other)
  t.equal(book.find('alice'), one)
  t.equal(book.find('alice', 'jam'), other)
  t.equal(book.find('alice', 'tea'), undefined)
  t.same([book.stageSize(''), book.stageSize('jam'), book.stageSize('tea')], [1, 1, 0])
  book.remove(other)
  t.same([book.stageSize(''), book.stageSize('jam')], [1, 0])
})

t.test('people called __proto__, constructor and toString are people', async t => {
  const words = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'prototype', 'valueOf']
  const book = new Phonebook()
  for (const word of words) {
    t.equal(book.find(word), undefined, word)
    t.same([...book.seekers(word, word)], [])
    t.same([book.stageSize(word), book.latest(word, 9)], [0, []])
  }
  words.forEach((word, i) => {
    const more = { stage: word, seek: word, endpoint: at(1000 + i) }
    t.equal(book.register(registration(word, more), i).change, 'added')
    t.equal(book.register(registration(word), i).change, 'added')
  })
  for (const word of words) {
    t.equal(book.find(word, word)?.seek, word)
    t.same(namesOf(book.seekers(word, word)), [word])
    t.equal(book.stageSize(word), 1)
  }
  t.equal(book.stageSize(''), words.length)
})

t.test('who seeks whom, as they change their minds', async t => {
  const book = new Phonebook({ capacity: 3, expiryMs: 1000 })
  const seekers = (name: string, stage = '') => namesOf(book.seekers(name, stage)).sort()
  book.register(registration('alice', { seek: 'carol' }), 0)
  book.register(registration('bob', { seek: 'carol' }), 0)
  t.same(seekers('carol'), ['alice', 'bob'], 'before carol is there')
  t.same(seekers('carol', 'jam'), [], 'not on another stage')
  book.register(registration('alice', { seek: 'bob' }), 1)
  t.same([seekers('carol'), seekers('bob')], [['bob'], ['alice']])
  book.register(registration('alice'), 2)
  t.same(seekers('bob'), [])
  book.register(registration('carol', { seek: 'carol' }), 3)
  t.same(seekers('carol'), ['bob', 'carol'])
  book.register(registration('dave', { seek: 'bob' }), 4)
  t.equal(book.find('alice'), undefined)
  book.register(registration('eve', { seek: 'bob' }), 5)
  t.same([seekers('carol'), seekers('bob')], [['carol'], ['dave', 'eve']], 'bob lost his slot')
  book.expire(1004)
  t.same([seekers('carol'), seekers('bob')], [[], ['eve']])
})

t.test('latest: the most recently refreshed of the stage first, older clients apart', async t => {
  const book = new Phonebook({ capacity: 32 })
  book.register(registration('old1'), 0)
  book.register(registration('new1', { newer: true }), 1)
  book.register(registration('old2'), 2)
  book.register(registration('elsewhere', { stage: 'jam' }), 3)
  book.register(registration('stun', { door: 'stun' }), 4)
  const latest = (most = 9) => namesOf(book.latest('', most))
  const older = (most = 9) => namesOf(book.latestOlder('', most))
  t.same(latest(), ['stun', 'old2', 'new1', 'old1'])
  t.same(older(), ['old2', 'old1'], 'of this door only')
  book.register(registration('old1'), 5)
  t.same([latest(2), older(1)], [['old1', 'stun'], ['old1']])
  book.register(registration('old2', { newer: true }), 6)
  t.same([latest(1), older()], [['old2'], ['old1']], 'it was updated')
  book.register(registration('new1'), 7)
  t.same(older(), ['new1', 'old1'], 'and the other one was not')
  t.same(namesOf(book.latest('', 2, ({ newer }) => !newer)), ['new1', 'old1'], 'the wish goes before the number')
  t.same(book.latest('', 0), [])
  t.same(namesOf(book.latest('jam', 9)), ['elsewhere'])
  t.same(namesOf(book.entries()), ['new1', 'old2', 'old1', 'stun', 'elsewhere'])
  book.remove(book.find('new1') as Entry)
  t.same([older(), latest(1)], [['old1'], ['old2']], 'who is gone is told nothing more')
})

t.test('nothing grows beyond the book in a hundred thousand operations', async t => {
  const capacity = 64
  const book = new Phonebook({ capacity, expiryMs: 5000 })
  const names = Array.from({ length: 200 }, (_, i) => `n${i}`)
  const stages = ['', 'jam', '__proto__', 'tea']
  let seed = 1
  const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T

  const audit = () => {
    const all = [...book.entries()]
    if (all.length > capacity || book.size !== all.length) throw new Error(`${all.length} entries`)
    if (new Set(all.map(({ slot }) => slot)).size !== all.length) throw new Error('two in one slot')
    const top = Math.max(-1, ...all.map(({ slot }) => slot))
    if (book.count !== top + 1 || book.count > capacity) throw new Error(`count ${book.count}, top ${top}`)
    let [staged, seeking] = [0, 0]
    for (const stage of stages) {
      const here = book.latest(stage, Infinity)
      if (here.length !== book.stageSize(stage)) throw new Error(`stage ${stage}`)
      const older = here.filter(({ newer }) => !newer)
      const listed = book.latestOlder(stage, Infinity)
      if (listed.length !== older.length || listed.some((entry, i) => entry !== older[i])) throw new Error('older')
      staged += here.length
      for (const name of names) seeking += [...book.seekers(name, stage)].length
    }
    if (staged !== all.length) throw new Error(`${staged} on stages, ${all.length} in the book`)
    if (seeking !== all.filter(({ seek }) => seek !== undefined).length) throw new Error('seekers')
    if (all.some(({ name, stage }, i) => book.find(name, stage) !== all[i])) throw new Error('not found')
    if (all.some((entry, i) => i > 0 && entry.refreshedAtMs > (all[i - 1]?.refreshedAtMs ?? 0)))
      throw new Error('out of order')
  }

  for (let i = 0, nowMs = 0; i < 100_000; i++) {
    nowMs += random(40) === 0 ? random(6000) : random(60)
    const choice = random(20)
    if (choice === 0) book.expire(nowMs)
    else if (choice < 3) {
      const entry = book.find(pick(names), pick(stages))
      if (entry) book.remove(entry)
    } else {
      book.register(
        registration(pick(names), {
          stage: pick(stages),
          endpoint: at(1 + random(4)),
          newer: random(2) === 0,
          seek: random(2) === 0 ? pick(names) : undefined,
        }),
        nowMs,
      )
    }
    if (i % 500 === 0) audit()
  }
  audit()
  t.ok(book.size > 0)
})

t.test('an order is an array that is never searched', async () => {
  const command = fc.record({ what: fc.constantFrom('touch', 'touch', 'delete', 'latest'), item: fc.nat(8) })
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), commands => {
      const order = new Order<number>()
      let model: number[] = [] // newest first
      for (const { what, item } of commands) {
        const had = model.includes(item)
        if (order.has(item) !== had) throw new Error(`has ${item}`)
        if (what !== 'latest') model = model.filter(other => other !== item)
        if (what === 'touch') {
          order.touch(item)
          model = [item, ...model]
        } else if (what === 'delete' && order.delete(item) !== had) throw new Error(`delete ${item}`)
        const even = order.latest(item, n => n % 2 === 0).join()
        if (
          even !==
          model
            .filter(n => n % 2 === 0)
            .slice(0, item)
            .join()
        )
          throw new Error(`latest: ${even}`)
        if ([...order.newestFirst()].join() !== model.join()) throw new Error(`${[...order.newestFirst()]}`)
        if (order.size !== model.length || order.oldest !== model.at(-1)) throw new Error('size or oldest')
      }
    }),
    { numRuns: 2000 },
  )
})

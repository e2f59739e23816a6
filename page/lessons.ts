// Lessons for the lab in the browser: a text, a meeting to watch, and the experiment that has the numbers.
import type { Setting } from '../src/lab/setting.ts'

export type Lesson = { readonly id: string; readonly title: string; readonly text: string } & {
  readonly setting: Setting
  /** Of `nat-lab run`. */
  readonly experiment: string
}

const calm = { seed: 1, trial: 1, ip: '4', latencyMs: 20, lossPercent: 0, first: 'alice', laterMs: 200 } as const

const lesson = (
  id: string,
  title: string,
  experiment: string,
  pair: readonly [string, string],
  text: string,
  rest: Partial<Setting> = {},
): Lesson => ({ id, title, text, experiment, setting: { ...calm, a: pair[0], b: pair[1], ...rest } })

export const lessons: readonly Lesson[] = [
  lesson(
    'open',
    'No NAT at all',
    'open-side',
    ['none', 'none'],
    'Both have addresses that everybody can reach. The server only introduces them: watch how each entry that it sends is answered by a check straight to the other one.',
  ),
  lesson(
    'hole',
    'How a hole is punched',
    'cones',
    ['portrest', 'portrest'],
    'A NAT lets in what answers something that left. So both send, at nearly the same time: the first check of one may be dropped, but it has opened its own box for the check of the other.',
  ),
  lesson(
    'one-side',
    'One open side is enough',
    'open-side',
    ['none', 'symrand'],
    'Bob leaves by another port for everybody, so what the phonebook says of him is of no use to Alice. But she is reachable, and sees from where he really comes: she answers there.',
  ),
  lesson(
    'address',
    'Filtering by address',
    'behaviors',
    ['restricted', 'symrand'],
    'Alice’s NAT asks only from which address something comes, not from which port. Since she has sent to Bob’s address, his check comes in, whatever port he got.',
  ),
  lesson(
    'closed',
    'Counting on',
    'both-closed',
    ['portrest', 'symseq'],
    'Bob’s NAT has a new port for each destination, so what Alice sends to the one that the server saw is dropped. But it counts its ports up, and the server saw several: Alice probes the next few, and one of them is his.',
  ),
  lesson(
    'birthday',
    'One port that nobody knows',
    'spray',
    ['portrest', 'symrand'],
    'Here each new port is a random one. So Bob opens 256 of them towards Alice, and she probes until one of hers meets one of his: like birthdays in a class, that takes far fewer than 64,512. Her own port is the same for everybody, or it could not work.',
  ),
  lesson(
    'both-symmetric',
    'Two moving targets',
    'both-closed',
    ['symrand', 'symrand'],
    'Each side leaves by a port that the other one cannot know, and lets in only what comes from where it has sent: both would have to be guessed at once. No strategy gets through, and both say so: they need a relay. Read what would have worked: it is enough if one of the two boxes were a step more lenient.',
  ),
  lesson(
    'ipv6',
    'The same two, with IPv6',
    'ipv6',
    ['symrand', 'symrand'],
    'The same two boxes are firewalls to IPv6: they let nothing in that was not asked for, but they hide nobody’s port. Over IPv4 every check still ends at a filter; over IPv6 the address that each has told the other one is where it is.',
    { ip: 'both' },
  ),
  lesson(
    'loss',
    'A tenth is lost',
    'loss',
    ['portrest', 'portrest'],
    'What is lost is sent again, so loss costs time, not the connection: here most of a second. Try other seeds: the story changes, the end does not.',
    { seed: 6, lossPercent: 10 },
  ),
  lesson(
    'far',
    'Far apart',
    'latency',
    ['portrest', 'restricted'],
    'Two hundred milliseconds one way. Count the ways that the later one needs until he is connected: to the server and back, to the peer and back.',
    { latencyMs: 200 },
  ),
  lesson(
    'later',
    'Half a minute later',
    'later',
    ['portrest', 'portrest'],
    'Alice waits, and keeps her mapping alive by registering again and again. To Bob it makes no difference how long she has been there.',
    { laterMs: 30_000 },
  ),
  lesson(
    'same-house',
    'Behind the same box',
    'same-nat',
    ['portrest', 'same-nat'],
    'Both sit in one network. Their box does not turn back what is sent to its own outside, but each has told the server its address inside, and there they find each other at once.',
  ),
  lesson(
    'same-provider',
    'Customers of one provider',
    'same-provider',
    ['cgn', 'same-cgn'],
    'Both boxes share the address of one provider’s NAT, and that one does not hairpin. Their addresses inside are of no use: each is behind a box of its own. Read what would have worked.',
  ),
  lesson(
    'naive',
    'A router that takes it personally',
    'naive',
    ['portrest-naive', 'portrest'],
    'Some routers take a packet that comes too early for their own, and give the flow another port from then on. A lost packet makes Alice late here, so Bob’s check is early, and she leaves by a port that Bob does not know. So after a while both begin anew from other ports, with first packets that die under way: they open their own boxes and never reach the other’s.',
    { seed: 39, lossPercent: 10 },
  ),
]

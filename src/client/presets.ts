// Law: pure, a table. What shipped systems make of the same strategies, in our words, to be compared in the same worlds. Our
// budget stays: 2,048 datagrams and 30 s an attempt (safety.md rule 5), so the slowest of them does not get to its end.
import { type Parameters, ourParameters } from './strategy.ts'

export const presets = {
  ours: ourParameters,
  // holepunchto/hyperdht lib/holepuncher.js: BIRTHDAY_SOCKETS 256, HOLEPUNCH_TTL 5; 1,750 probes, one in 20 ms, of any port
  // from 1000 on. It predicts nothing.
  hyperdht: { sockets: 256, probes: 1750, pacingMs: 20, rangeAware: false, window: 0, ttls: [5] },
  // fatedier/frp pkg/nathole: analysis.go, modes 1 to 4 (TTL 7, then 4, then none; 256 ports listen, 1,000 are probed; a
  // range of 10 where ports change regularly); nathole.go, 15 ms between two probes of random ports.
  frp: { sockets: 256, probes: 1000, pacingMs: 15, rangeAware: false, window: 10, ttls: [7, 4] },
  // EasyTier easytier/src/connector/udp_hole_punch/sym_to_cone.rs: UDP_ARRAY_SIZE_FOR_HARD_SYM 84, 600 to 800 ports in a
  // round, a millisecond apart, each thrice (here once), 50 ports ahead where they count up; no short life.
  easytier: { sockets: 84, probes: 700, pacingMs: 1, rangeAware: false, window: 50, ttls: [] },
} as const satisfies Record<string, Parameters>

export type PresetName = keyof typeof presets

export const presetNames = Object.keys(presets) as PresetName[]

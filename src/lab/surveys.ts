// Law: data only. What was measured in the wild. No lab can measure it again: these are inputs to compare with.
import type { Figure } from './figure.ts'

export const surveys = (): Figure => ({
  name: 'surveys',
  about: 'Reference only, not measured here: how common what is out there.',
  source: 'as said in each row',
  head: ['', 'published', 'source'],
  rows: [
    ['NATs that UDP hole punching gets through', '310 of 380', 'Ford, Srisuresh, Kegel 2005'],
    ['NATs that hairpin UDP', '80 of 335', 'Ford, Srisuresh, Kegel 2005'],
    ['shortest binding lifetime of 34 home gateways', '30 s', 'Haetoenen and others 2010'],
    ['hole punches of libp2p that succeed', '70 % +- 7.1 %', 'DCUtR measurement campaign'],
    ['of these, at the first attempt', '97.6 %', 'DCUtR measurement campaign'],
  ],
  broken: [],
})

// Law: pure. Other people's NAT testers, run beside ours: their commands, and what they say in our words.
import { behaviors } from '../nat-profile.ts'

const [EI, AD, APD] = behaviors

export const testers = ['turnutils_natdiscovery', 'stun'] as const
export type Tester = (typeof testers)[number]
export type TesterWords = { readonly mapping: string; readonly filtering: string }

/** Both wait for ever where nobody answers. */
export const commandOf = (tester: Tester, server: string): string[] => {
  const own = tester === 'stun' ? ['stun', server] : [tester, '-m', '-f', server]
  return ['timeout', '25', ...own]
}

const byWords: Record<string, string> = {
  'Endpoint Independent': EI,
  'Address Dependent': AD,
  'Address and Port Dependent': APD,
}
const ofFilter: Record<string, string> = { Independent: EI, 'Address Dependent': AD, 'Port Dependent': APD }
/** `stun` knows two kinds of mapping. */
export const dependent = 'dependent'

export const wordsIn = (tester: Tester, output: string): TesterWords => {
  const found = (pattern: RegExp): string => pattern.exec(output)?.[1] ?? ''
  if (tester === 'turnutils_natdiscovery') {
    const kinds = '(Endpoint Independent|Address and Port Dependent|Address Dependent)'
    return {
      mapping: byWords[found(new RegExp(`${kinds} Mapping`))] ?? 'unknown',
      filtering: byWords[found(new RegExp(`${kinds} Filtering`))] ?? 'unknown',
    }
  }
  const primary = found(/^Primary: (.*)$/m).trim()
  if (primary.startsWith('Open')) return { mapping: EI, filtering: EI }
  if (primary.startsWith('Firewall')) return { mapping: EI, filtering: 'unknown' }
  const mapping = /^(Independent|Dependent) Mapping/.exec(primary)?.[1]
  return {
    mapping: mapping === 'Independent' ? EI : mapping === 'Dependent' ? dependent : 'unknown',
    filtering: ofFilter[found(/, (Independent|Address Dependent|Port Dependent) Filter/)] ?? 'unknown',
  }
}

export const isRight = (said: string, truth: string): boolean =>
  said === truth || (said === dependent && (truth === AD || truth === APD))

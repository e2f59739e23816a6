// Law: pure. A story as lines of text.
import type { Story } from '../lab/story.ts'
import type { Tried } from '../lab/remedies.ts'

export const storyText = ({ steps, verdict, why }: Story): string =>
  [
    ...steps.map(({ timeMs, text, decisive }) => `${timeMs.toFixed(3).padStart(11)} ${decisive ? '*' : ' '} ${text}`),
    '',
    why === undefined ? verdict : `${verdict} What stopped them: ${why}.`,
  ].join('\n')

export const relay = 'the two need a relay.'

/** What was tried instead, by running it. */
export const triedText = ({ tried, worked }: Tried): string =>
  worked.length === 0
    ? `Of ${tried} other ways that were tried, none works: ${relay}`
    : [
        `What would have worked, of ${tried} ways that were tried:`,
        ...worked.map(({ text, connectedMs }) => `  - if ${text}: connected after ${connectedMs.toFixed(1)} ms`),
        ...(worked.some(({ isTheirs }) => isTheirs) ? [] : [`As the boxes are, ${relay}`]),
      ].join('\n')

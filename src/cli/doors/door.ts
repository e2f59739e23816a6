// Law: types only. What is special about a dialect at the terminal: its client, its words for what happens, its commands.
import type { DoorEvent } from '../../client/door-events.ts'
import type { Core, Driven, Outside } from '../../client/drive.ts'

/** Where a dialect prints and asks. */
export type Screen = {
  /** A line of the transcript; nothing where only messages are wanted. */
  line(text: string): void
  note(text: string): void
  /** Asks for the next line; on a pipe the question is a line. */
  prompt(text: string): void
}

export type DoorTalk<C extends Core> = {
  create(outside: Outside): C
  /** Messages come from anybody, and not from one peer alone. */
  readonly isOpen?: boolean
  /** The dialect's words for it, on a line or two. */
  show(event: DoorEvent, screen: Screen, client: C): void
  /** What is printed before the first line is typed, once the server has answered. */
  begin?(screen: Screen): void
  /** Whether a line from a pipe has to wait: at a terminal people see for themselves. */
  isBusy(client: C): boolean
  /** A line was typed. 'end': that was all. */
  typed(line: string, client: Driven<C>, screen: Screen): 'end' | undefined
}

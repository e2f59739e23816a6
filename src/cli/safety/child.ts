// Child processes that answer questions: `await child.ask('counters')`. None outlives its parent.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

export type Child = {
  ask(what: string, value?: unknown): Promise<unknown>
  /** Without a word to it. */
  kill(): Promise<void>
}

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Where the built programs are, seen from `src` as from `dist`. */
const built = (file: string): URL => new URL(`../../../dist/cli/safety/${file}`, import.meta.url)

/** Forks a file of this folder, and waits until it is ready. */
export const startChild = async (file: string, options: object): Promise<Child> => {
  const child = fork(built(file), [JSON.stringify(options)], { execArgv: [], serialization: 'advanced' })
  running.add(child)
  const closed = once(child, 'exit').then(() => void running.delete(child))
  const waiting = new Map<number, (value: unknown) => void>()
  let last = 0
  child.on('message', ({ id, value }: Reply) => {
    waiting.get(id)?.(value)
    waiting.delete(id)
  })
  const answer = (): Promise<unknown> => {
    const id = last++
    const answered = new Promise(resolve => waiting.set(id, resolve))
    return Promise.race([
      answered,
      closed.then(() => {
        throw new Error(`${file} ended: ${child.signalCode ?? child.exitCode}`)
      }),
    ])
  }
  await answer()
  return {
    ask(what, value) {
      child.send({ id: last, what, value } satisfies Question)
      return answer()
    },
    async kill() {
      child.kill('SIGKILL')
      await closed
    },
  }
}

type Question = { readonly id: number; readonly what: string; readonly value: unknown }
type Reply = { readonly id: number; readonly value: unknown }

/** The other half: says that it is ready, and answers. */
export const answerParent = (answers: Readonly<Record<string, (value: unknown) => unknown>>): void => {
  process.on('message', ({ id, what, value }: Question) => process.send?.({ id, value: answers[what]?.(value) }))
  process.on('disconnect', () => process.exit(0))
  process.send?.({ id: 0, value: undefined })
}

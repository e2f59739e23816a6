// So many experiments at a time as there are cores: more would measure each other.
import { availableParallelism } from 'node:os'

/** Runs all of them, so many at a time; the results in their order. */
export const inParallel = async <T>(
  tasks: readonly (() => Promise<T>)[],
  atOnce = availableParallelism(),
): Promise<T[]> => {
  const results: T[] = []
  const queue = tasks.entries()
  const work = async (): Promise<void> => {
    for (const [i, task] of queue) results[i] = await task()
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return results
}

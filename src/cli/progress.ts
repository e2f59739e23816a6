// How far a long piece of work is: one line on stderr, rewritten in place, and only where somebody can see it.

export type Progress = { update(done: number): void; end(): void }

const everyMs = 200

export const createProgress = (what: string, total: number): Progress => {
  if (!process.stderr.isTTY) return { update() {}, end() {} }
  let nextMs = 0
  return {
    update(done) {
      if (performance.now() < nextMs) return
      nextMs = performance.now() + everyMs
      process.stderr.write(`\r${what}: ${done} of ${total} (${Math.floor((100 * done) / total)} %)\u001b[K`)
    },
    end() {
      process.stderr.write('\r\u001b[K')
    },
  }
}

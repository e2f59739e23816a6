// A shell that holds namespaces: it is the first process of a pid namespace and reads its commands from our pipe. When
// we end, in whatever way, the pipe closes, the shell ends, and the kernel ends every process in there and takes down
// every namespace that nobody is in. So nothing has to be found and removed later, and nothing outside is touched.
import { spawn } from 'node:child_process'

/** As root, or as the root of a user namespace of one's own. */
export const rights = ['root', 'user-namespace'] as const
export type Rights = (typeof rights)[number]

export type Holder = {
  /** What to put before a command so that it runs in that network namespace. */
  enter(space: string): readonly string[]
  /** Resolves when every process in there has ended. */
  close(): Promise<void>
}

/** The tools are where an ordinary user's path does not look. */
export const toolPath = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`

const longestRaisingMs = 20_000

/** Resolves when the script has said `ready`; rejects with what it said instead. */
export const hold = (script: string, as: Rights): Promise<Holder> =>
  new Promise((resolve, reject) => {
    const user = as === 'root' ? [] : ['--user', '--map-root-user']
    // Of a session of its own: what is typed to interrupt us is not for the shell.
    const child = spawn('unshare', [...user, '--net', '--mount', '--pid', '--fork', '--kill-child', 'sh', '-e'], {
      env: { PATH: toolPath },
      detached: true,
    })
    let said = ''
    let wrong = ''
    let isReady = false
    const ended = new Promise<void>(done => child.once('close', () => done()))
    const fail = (why: string): void => {
      clearTimeout(late)
      reject(new Error(why))
    }
    const late = setTimeout(() => {
      child.kill('SIGKILL')
      fail(`not raised within ${longestRaisingMs / 1000} s`)
    }, longestRaisingMs)
    child.once('error', error => fail(error.message))
    child.once('close', code => fail(wrong.trim().replace(/^unshare: /, '') || `the shell ended with ${code}`))
    child.stdin.on('error', () => {}) // it ended early, and says why
    child.stderr.setEncoding('utf8').on('data', (text: string) => (wrong += text))
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text
      if (isReady || !said.includes('ready\n')) return
      isReady = true
      clearTimeout(late)
      resolve({ enter, close })
    })
    child.stdin.write(script)

    const enter = (space: string): readonly string[] => {
      const proc = `/proc/${child.pid}`
      const userNs = as === 'root' ? [] : [`--user=${proc}/ns/user`, '--preserve-credentials']
      const root = `${proc}/root`
      const net = `--net=${root}/run/netns/${space}`
      return ['nsenter', ...userNs, `--pid=${proc}/ns/pid_for_children`, net, '--']
    }

    const close = (): Promise<void> => {
      child.stdin.end()
      return ended
    }
  })

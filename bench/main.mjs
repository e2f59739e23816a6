// npm run bench: the figures of the server, the client and the lab, each against a baseline of the same run.
import minimist from 'minimist'
import { serverNodeArguments } from './children.mjs'

const subjects = ['cost', 'scale', 'stun', 'burst', 'startup', 'connect', 'line', 'check', 'memory', 'lab']

const help = `Usage: npm run bench -- [--only SUBJECT]... [--json]

Measures the server, the client and nat-lab check, on loopback, and the lab, in about three minutes.

Options:
      --only SUBJECT   this one only: ${subjects.join(', ')}; may be repeated
      --json           print JSON instead of a table
      --profile DIR    write a CPU profile of every server there (--cpu-prof); the figures suffer
  -h, --help           print this help
`

/** @param {string} message @returns {never} */
const usage = message => {
  process.stderr.write(`bench: ${message}; try npm run bench -- --help\n`)
  process.exit(2)
}

const options = minimist(process.argv.slice(2), {
  string: ['only', 'profile'],
  boolean: ['json', 'help'],
  alias: { help: 'h' },
  unknown: argument => usage(`unknown argument ${argument}`),
})
if (options['help']) {
  process.stdout.write(help)
  process.exit(0)
}
const only = [options['only'] ?? []].flat()
for (const name of only) {
  if (!subjects.includes(name)) usage(`no subject ${JSON.stringify(name)}: there are ${subjects.join(', ')}`)
}
if (options['profile']) serverNodeArguments.push('--cpu-prof', `--cpu-prof-dir=${options['profile']}`)

/** @param {string} text */
const progress = text => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

/** @param {number} value */
const shown = value => {
  if (Number.isInteger(value)) return String(value)
  return value.toFixed(Math.abs(value) < 10 ? 2 : 1)
}

/** @param {readonly import('./stats.mjs').Figure[]} figures */
const table = figures => {
  const rows = [
    ['figure', 'measured', 'target', 'pass', ''],
    ...figures.map(({ figure, measured, unit, target, pass, note }) => [
      figure,
      `${shown(measured)} ${unit}`,
      target,
      pass === undefined ? '' : pass ? 'yes' : 'NO',
      note,
    ]),
  ]
  const widths = [0, 1, 2, 3].map(column => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return rows
    .map(row =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

const startedMs = performance.now()
/** @type {import('./stats.mjs').Figure[]} */
const figures = []
for (const name of only.length > 0 ? only : subjects) {
  const { run } = await import(`./${name}.mjs`)
  figures.push(...(await run(progress)))
}
progress('')
const seconds = (performance.now() - startedMs) / 1000
const { node } = process.versions
process.stdout.write(
  options['json']
    ? `${JSON.stringify({ node, seconds, figures }, undefined, 2)}\n`
    : `${table(figures)}\nnode ${node}, ${seconds.toFixed(0)} s\n`,
)

// Where experiments come from: a file of somebody's own, or one of the ready ones by its name.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { readExperiment } from '../lab/experiment.ts'
import { nearest } from '../nearest.ts'
import { usage } from './lab-options.ts'

const folder = fileURLToPath(new URL('../../experiments/', import.meta.url))

const readyNames = (): string[] =>
  readdirSync(folder)
    .flatMap(file => (file.endsWith('.json') ? [file.slice(0, -'.json'.length)] : []))
    .sort()

/** The ready ones, each with what it shows. */
export const readyOnes = (): { readonly name: string; readonly about: string }[] =>
  readyNames().map(name => ({ name, about: readExperiment(readJson(name)).about }))

export const readJson = (name: string): unknown => {
  const ready = /^[\w-]+$/.test(name) ? `${folder}${name}.json` : name
  const file = existsSync(name) || !existsSync(ready) ? name : ready
  if (!existsSync(file)) {
    const names = readyNames()
    const meant = nearest(name, names)
    const hint = meant === undefined ? '' : `did you mean ${meant}? `
    throw usage(`no file ${JSON.stringify(name)}: ${hint}The ready ones are ${names.join(', ')}`)
  }
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw usage(`${file}: ${(error as Error).message}: give a JSON file that can be read`)
  }
}

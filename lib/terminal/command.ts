#!/usr/bin/env node
import { createRequire } from 'node:module'
import { PlatziverseError, reasonOf } from '../errors.ts'
import { addressOf } from './link.ts'
import { plain } from './plain.ts'
import { publish } from './publish.ts'
import { readOptions } from './read-options.ts'
import { agentOf, groupsOf, report, reportOnce } from './report.ts'
import { subscribe } from './subscribe.ts'
import { invalid, languageOf, textsIn } from './texts.ts'
import { watch } from './watch.ts'

const options = {
  url: { type: 'string' },
  name: { type: 'string' },
  username: { type: 'string' },
  password: { type: 'string' },
  interval: { type: 'string' },
  uuid: { type: 'string' },
  only: { type: 'string' },
  'no-commands': { type: 'boolean' },
  once: { type: 'boolean' },
  watch: { type: 'boolean' },
  json: { type: 'boolean' },
  verbose: { type: 'boolean' },
  lang: { type: 'string' },
  version: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' }
} as const

/** What is said of an option that is wrong. */
const wrongOptions = ['AGENT_OPTION_INVALID', 'TERMINAL_OPTION_INVALID']

// A reader such as `head` may close the pipe early: nobody is left to print for.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => { process.exit(error.code === 'EPIPE' ? 0 : 1) })
}

try {
  process.exitCode = await run(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${plain(reasonOf(error), 2000)}\n`)
  process.exitCode = error instanceof PlatziverseError && wrongOptions.includes(error.code) ? 2 : 1
}

/** @returns the exit code */
async function run (args: string[]): Promise<number> {
  const [first, ...rest] = args
  if (first === 'sub') return await subscribe(rest)
  if (first === 'pub') await publish(rest)
  else await runAgent(args)
  return 0
}

async function runAgent (args: string[]): Promise<void> {
  const values = readOptions(args, options)
  const language = languageOf(values.lang)
  if (values.help === true) return void process.stdout.write(`${textsIn(language).help}\n`)
  if (values.version === true) return void process.stdout.write(`${createRequire(import.meta.url)('@platziverse/node-red-platziverse/package.json').version}\n`)
  if (values.json === true && values.watch !== true) throw invalid('--json is for --watch.')
  if (values.watch === true) {
    if (values.once === true) throw invalid('--once and --watch do not go together.')
    return await watch({ address: addressOf(values), language, json: values.json === true })
  }
  const groups = groupsOf(values.only)
  const agent = agentOf(values)
  if (values.once === true) await reportOnce(agent, groups)
  else report(agent, groups, { language, verbose: values.verbose === true })
}

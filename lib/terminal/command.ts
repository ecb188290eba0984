#!/usr/bin/env node
import { createRequire } from 'node:module'
import { PlatziverseError } from '../errors.ts'
import { plain } from './plain.ts'
import { readOptions } from './read-options.ts'
import { errorText } from '../texts/error-text.ts'
import { invalid, languageIn, languageOf, textsIn } from './texts/texts.ts'
import { tlsOptions } from './tls-files.ts'

const options = {
  url: { type: 'string' },
  ...tlsOptions,
  name: { type: 'string' },
  username: { type: 'string' },
  password: { type: 'string' },
  interval: { type: 'string' },
  uuid: { type: 'string' },
  'will-delay': { type: 'string' },
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
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0)
    if (stream === process.stdout) process.stderr.write(`${error.message}\n`)
    process.exit(1)
  })
}

const given = process.argv.slice(2)
try {
  process.exitCode = await run(given)
} catch (error) {
  process.stderr.write(`${plain(errorText(error, languageIn(given)), 2000)}\n`)
  process.exitCode = error instanceof PlatziverseError && wrongOptions.includes(error.code) ? 2 : 1
}

/**
 * Each part is loaded when it is asked for: a small machine takes a second for all of them.
 * @returns the exit code
 */
async function run (args: string[]): Promise<number> {
  const [first, ...rest] = args
  if (first === 'sub') return await (await import('./subscribe.ts')).subscribe(rest)
  if (first === 'pub') await (await import('./publish.ts')).publish(rest)
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
    const { addressOf } = await import('./link.ts')
    const address = addressOf(values)
    const { watch } = await import('./watch.ts')
    return await watch({ address, language, json: values.json === true })
  }
  const { agentOf, groupsOf, report, reportOnce } = await import('./report.ts')
  const groups = groupsOf(values.only)
  const agent = agentOf(values)
  if (values.once === true) await reportOnce(agent, groups)
  else report(agent, groups, { language, verbose: values.verbose === true })
}

#!/usr/bin/env node
import { createRequire } from 'node:module'
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { reasonOf } from '../errors.ts'
import { Agent, hostMetricGroups, hostMetrics, PlatziverseError, type AgentOptions, type HostMetric, type HostMetricGroup, type Metric } from './agent.ts'
import { invalid } from './options.ts'

const help = `platziverse-agent: report this machine's metrics to an MQTT broker

Usage: platziverse-agent [options]

  --url <address>      the broker; default mqtt://127.0.0.1:8083; also mqtts, ws, wss
  --name <text>        the agent's name; default: the host's name
  --username <text>    the user that the agent reports for; with a password also the broker's login
  --password <text>    the broker's password; better in the environment: PLATZIVERSE_PASSWORD
  --interval <ms>      time between two reports; default 5000
  --uuid <text>        the agent's uuid; default: made once for each name and kept in the user's data folder
  --only <groups>      some of ${hostMetricGroups.join(',')}; default: all
  --once               report once, wait until the broker has acknowledged it, and exit
  --verbose            print each report and each failed attempt
  --version            print the version
  --help               print this

Exits with 0 when stopped by SIGINT or SIGTERM, 1 when --once could not report, 2 when an option is wrong.`

const options = {
  url: { type: 'string' },
  name: { type: 'string' },
  username: { type: 'string' },
  password: { type: 'string' },
  interval: { type: 'string' },
  uuid: { type: 'string' },
  only: { type: 'string' },
  once: { type: 'boolean' },
  verbose: { type: 'boolean' },
  version: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' }
} as const satisfies ParseArgsConfig['options']

type Values = ReturnType<typeof parseArgs<{ options: typeof options }>>['values']

try {
  const values = readArguments()
  if (values.help) console.log(help)
  else if (values.version) console.log(createRequire(import.meta.url)('@platziverse/node-red-platziverse/package.json').version)
  else if (values.once) await reportOnce(agentOf(values), hostMetrics(groupsOf(values.only)))
  else run(agentOf(values), hostMetrics(groupsOf(values.only)), values.verbose)
} catch (error) {
  console.error(reasonOf(error))
  process.exitCode = error instanceof PlatziverseError && error.code === 'AGENT_OPTION_INVALID' ? 2 : 1
}

function readArguments (): Values {
  try {
    return parseArgs({ options }).values
  } catch (error) {
    throw invalid(`${reasonOf(error).replace(/\.$/, '')}; see --help.`, error)
  }
}

function agentOf (values: Values): Agent {
  const password = values.password ?? process.env.PLATZIVERSE_PASSWORD
  const login = password === undefined ? {} : { ...given('username', values.username), password }
  return new Agent({
    ...given('name', values.name),
    ...given('username', values.username),
    ...given('uuid', values.uuid),
    ...given('interval', values.interval === undefined ? undefined : Number(values.interval)),
    mqtt: { ...given('url', values.url), ...login },
    listen: false
  })
}

/** An option only when it is there: an absent one takes its default. */
function given<K extends keyof AgentOptions | 'url', V> (key: K, value: V | undefined): { [key in K]?: V } {
  return value === undefined ? {} : { [key]: value } as { [key in K]: V }
}

function groupsOf (only: string | undefined): readonly HostMetricGroup[] {
  if (only === undefined) return hostMetricGroups
  const groups = only.split(',').map(group => group.trim())
  const unknown = groups.find(group => !hostMetricGroups.some(known => known === group))
  if (unknown !== undefined) throw invalid(`--only knows ${hostMetricGroups.join(', ')}, and not "${unknown}".`)
  return [...new Set(groups)] as HostMetricGroup[]
}

/** @throws what kept the broker from acknowledging the report */
async function reportOnce (agent: Agent, metrics: HostMetric[]): Promise<void> {
  const problem = new Promise<never>((_resolve, reject) => { agent.once('problem', reject) })
  const reported = async () => {
    const measured = await Promise.all(metrics.map(async ({ type, measure }) => ({ type, value: await measure() })))
    const there = measured.flatMap(({ type, value }) => value === null ? [] : [{ type, value }])
    await agent.report(there)
    console.log(line(there))
  }
  try {
    agent.connect()
    await Promise.race([reported(), problem])
  } finally {
    await agent.disconnect()
  }
}

function run (agent: Agent, metrics: HostMetric[], verbose = false): void {
  const stop = () => {
    process.off('SIGINT', stop).off('SIGTERM', stop)
    agent.disconnect()
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)

  let offline = false
  agent.on('connected', ({ name, uuid }) => {
    offline = false
    console.log(`connected as ${name} (${uuid})`)
  })
  agent.on('disconnected', reason => {
    offline = true
    console.log(reason === undefined ? 'disconnected' : `connection lost, trying again: ${reason.message}`)
  })
  agent.on('problem', problem => {
    const unreachable = problem.code === 'AGENT_UNREACHABLE'
    // Every attempt fails in the same way: only the first is reported.
    if (!unreachable || !offline || verbose) console.error(problem.message)
    offline ||= unreachable
  })
  if (verbose) agent.on('message', message => console.log(line(message.metrics)))
  for (const { type, measure } of metrics) agent.addMetric(type, measure)
  agent.connect()
}

function line (metrics: readonly Metric[]): string {
  return metrics.map(({ type, value }) => `${type} ${value}`).join(' · ')
}

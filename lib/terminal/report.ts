import { Agent, hostMetricGroups, hostMetrics, type AgentOptions, type HostMetricGroup, type Metric } from '../agent/agent.ts'
import { PlatziverseError } from '../errors.ts'
import { checkUrl, numberOf } from './link.ts'
import { showSpan } from './numbers.ts'
import { plain } from './plain.ts'
import { errorText } from '../texts/error-text.ts'
import { invalid, textsIn, type Language } from './texts/texts.ts'
import { tlsOf, type TlsFiles } from './tls-files.ts'

export interface AgentValues extends TlsFiles {
  url?: string
  name?: string
  username?: string
  password?: string
  interval?: string
  uuid?: string
  'will-delay'?: string
  'no-commands'?: boolean
}

/** @throws PlatziverseError AGENT_OPTION_INVALID, TERMINAL_OPTION_INVALID */
export function agentOf (values: AgentValues): Agent {
  const password = values.password ?? process.env.PLATZIVERSE_PASSWORD
  const { url } = values
  if (url !== undefined) checkUrl(url, '--url')
  const login = password === undefined ? {} : { ...given('username', values.username), password }
  return new Agent({
    ...given('name', values.name),
    ...given('username', values.username),
    ...given('uuid', values.uuid),
    ...given('interval', values.interval === undefined ? undefined : Number(values.interval)),
    ...given('willDelay', numberOf('will-delay', values['will-delay'], { least: 0, most: 86_400 })),
    ...values['no-commands'] === true ? { commands: false } : {},
    mqtt: { ...given('url', url), ...login, ...tlsOf(values, url ?? '') },
    listen: false
  })
}

/** An option only when it is there: an absent one takes its default. */
function given<K extends keyof AgentOptions | 'url', V> (key: K, value: V | undefined): { [key in K]?: V } {
  return value === undefined ? {} : { [key]: value } as { [key in K]: V }
}

/** @throws PlatziverseError TERMINAL_OPTION_INVALID */
export function groupsOf (only: string | undefined): readonly HostMetricGroup[] {
  if (only === undefined) return hostMetricGroups
  const groups = only.split(',').map(group => group.trim())
  const unknown = groups.find(group => !hostMetricGroups.some(known => known === group))
  if (unknown !== undefined) throw invalid(`--only knows ${hostMetricGroups.join(', ')}, and not "${unknown}".`)
  return [...new Set(groups)] as HostMetricGroup[]
}

/** @throws what kept the broker from acknowledging the report */
export async function reportOnce (agent: Agent, groups: readonly HostMetricGroup[]): Promise<void> {
  const problem = new Promise<never>((_resolve, reject) => { agent.once('problem', error => { reject(ended(error)) }) })
  const reported = async () => {
    const measured = await Promise.all(hostMetrics(groups).map(async ({ type, measure }) => ({ type, value: await measure() })))
    const there = measured.flatMap(({ type, value }) => value === null ? [] : [{ type, value }])
    await agent.report(there)
    say(lineOf(there))
  }
  try {
    agent.connect()
    await Promise.race([reported(), problem])
  } finally {
    await agent.disconnect()
  }
}

/** Of an agent that does not keep trying. */
function ended (problem: PlatziverseError): PlatziverseError {
  return problem.code === 'AGENT_UNREACHABLE' ? new PlatziverseError('TERMINAL_UNREACHABLE', problem.detail, { cause: problem }) : problem
}

/** Report until SIGINT or SIGTERM, and say what is reported: at first, and when a command changes it. */
export function report (agent: Agent, groups: readonly HostMetricGroup[], { language, verbose }: { language: Language, verbose: boolean }): void {
  const texts = textsIn(language)
  const stop = () => {
    process.off('SIGINT', stop).off('SIGTERM', stop)
    agent.disconnect()
  }
  process.on('SIGINT', stop).on('SIGTERM', stop)

  let offline = false
  /** What this machine cannot measure: known after the first round. */
  let lacking: Set<string> | undefined
  let told = ''
  const tell = (): void => {
    const { interval, metrics } = agent.inForce
    const there = metrics.filter(type => !lacking?.has(type))
    const line = there.length === 0 ? texts.reportsNothing : texts.reports(there.map(type => plain(type)).join(', '), showSpan(interval, language))
    if (line !== told) say(line)
    told = line
  }
  agent.on('connected', ({ name, uuid }) => {
    offline = false
    say(texts.connectedAs(plain(name ?? ''), plain(uuid)))
  })
  agent.on('disconnected', reason => {
    offline = true
    say(reason === undefined ? texts.disconnected : plain(texts.lost(errorText(reason, language)), 2000))
  })
  agent.on('problem', problem => {
    const unreachable = problem.code === 'AGENT_UNREACHABLE'
    // Every attempt fails in the same way: only the first is reported.
    if (!unreachable || !offline || verbose) process.stderr.write(`${plain(errorText(problem, language), 2000)}\n`)
    offline ||= unreachable
  })
  agent.on('message', ({ metrics }) => {
    const isFirst = lacking === undefined
    lacking ??= new Set(agent.inForce.metrics)
    for (const { type } of metrics) lacking.delete(type)
    if (isFirst) tell()
  })
  agent.on('config', ({ metrics }) => { if (lacking !== undefined || metrics.length === 0) tell() })
  if (verbose) agent.on('message', message => { say(lineOf(message.metrics)) })
  for (const { type, measure } of hostMetrics(groups)) agent.addMetric(type, measure)
  agent.connect()
}

function lineOf (metrics: readonly Metric[]): string {
  return metrics.map(({ type, value }) => `${plain(type)} ${plain(String(value))}`).join(' · ')
}

function say (line: string): void {
  process.stdout.write(`${line}\n`)
}

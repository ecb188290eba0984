import { connectAsync } from 'mqtt'
import { exampleFlow } from '../../test/helpers/main-flow.ts'
import { until } from '../../test/helpers/events.ts'
import { freePort, startNodeRed, type NodeRed } from '../../test/helpers/node-red.ts'

/** Seconds between two reports of an agent. */
export const reportEvery = 10
/** Agents that have a day of history, and the seconds between two reports of it. */
export const histories = { 'agent-7': 60, 'agent-8': reportEvery } as const

/** What a bare dashboard shows. */
export const bareText = 'Nothing else'

const types = ['cpuLoad', 'memoryUsedPercent', 'diskUsedPercent', ...Array.from({ length: 7 }, (_, i) => `metric-${i}`)]
const daySeconds = 24 * 60 * 60
/** Messages on their way at once while the history is loaded. */
const window = 500

/** Node-RED with "Monitor agents" and "Live dashboard", and agents that report ten metrics each. */
export interface Site {
  nodeRed: NodeRed
  stop (): Promise<void>
}

const shell = ['ui-base', 'ui-theme', 'ui-page', 'ui-group']

/** What the dashboard itself costs: a Node-RED without agents whose dashboard has the pages of "Live dashboard" and shows one line of text. */
export async function openBareDashboard (): Promise<NodeRed> {
  const pages = (await exampleFlow('Live dashboard')).filter(node => shell.includes(String(node['type'])))
  const group = pages.find(node => node['type'] === 'ui-group' && node['name'] === 'Agents')
  if (group === undefined) throw new Error('"Live dashboard" has no group "Agents"')
  return await startNodeRed({ flows: [...pages, { id: 'bare', type: 'tab', label: 'bare' }, { id: 'text', z: 'bare', type: 'ui-text', group: group.id, label: bareText, format: '', width: 0, height: 0, wires: [] }] })
}

/** @param profiles a folder for the CPU profile of Node-RED; absent: none is made */
export async function openSite (agents: number, profiles?: string): Promise<Site> {
  const port = await freePort()
  const flows = [...await exampleFlow('Monitor agents', { 'platziverse-broker': { port } }, ['platziverse-agent', 'debug']), ...await exampleFlow('Live dashboard')]
  const nodeRed = await startNodeRed({ flows: [...new Map(flows.map(node => [node.id, node])).values()], env: profiles === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profiles}` } })
  const client = await until(() => connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 }).catch(() => undefined), client => client !== undefined)
  if (client === undefined) throw new Error('the broker does not answer')

  const report = async (uuid: string, timestamp: number): Promise<void> => {
    const metrics = types.map((type, i) => ({ type, value: 10 * i + Math.sin(timestamp / 60_000 + uuid.length) }))
    const agent = { uuid, name: uuid.replace('agent-', 'Agent '), username: 'home', hostname: `${uuid}.example.org` }
    await client.publishAsync('agent/message', JSON.stringify({ agent, metrics, timestamp }), { qos: 1 })
  }
  const all = async (messages: Array<[uuid: string, at: number]>): Promise<void> => {
    for (let i = 0; i < messages.length; i += window) await Promise.all(messages.slice(i, i + window).map(([uuid, at]) => report(uuid, at)))
  }
  const now = Date.now()
  await all(Array.from({ length: agents }, (_, n) => [`agent-${n}`, now]))
  for (const [uuid, every] of Object.entries(histories)) await all(Array.from({ length: daySeconds / every }, (_, i) => [uuid, now - (i + 1) * every * 1000]))

  let next = 0
  const timer = setInterval(() => { void report(`agent-${next++ % agents}`, Date.now()).catch(() => undefined) }, reportEvery * 1000 / agents)
  return {
    nodeRed,
    async stop () {
      clearInterval(timer)
      client.end(true)
      await nodeRed.stop()
    }
  }
}

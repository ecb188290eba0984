import { parseArgs } from 'node:util'
import { memoryFlags } from '../scripts/setup.mjs'
import type { Addition } from './additions/run.ts'
import type { Crowd } from './agents/first.ts'
import type { Crew } from './agents/run.ts'
import type { Settings } from './measure.ts'

export const usage = `npm run bench -- [options]
  --seconds <n>   full load, and again the steady load, of each contestant (10; with --delivery 1.5, with --databases, --dashboard and --remote 5)
  --runs <n>      rounds; every contestant once in each, the table shows the medians (3)
  --only <list>   letters or ids of contestants, such as a,c,d3 (a,b,c,d)
  --rate <n>      messages a second of the steady load (1000; with --delivery 2000)
  --million       instead: a million messages into (c), its memory each second
  --delivery      instead: brokers beside each other, publishers to receivers; --only m,m5,e,p,p5,n,n5 chooses among them
  --databases     instead: the store on each database that is there; --only sqlite3,node:sqlite,postgresql,mariadb chooses among them
  --shapes <list> with --delivery: 1-1, 50-1, 1-100 (both qualities; 1-1:0 one), ingest, idle (all);
                  with --databases: writer, queries, retention, follow, forget, points (all);
                  with --remote: deployments, and what grows: agents, metrics, payload, window, workers (all)
  --agents <list> instead: so many agents into (c) and to a topic that is not stored, and ten that report rarely, such as 20,900,6000,rare;
                  --only sqlite,postgresql,mariadb: on which databases (sqlite)
  --first <list>  instead: so many agents report once, all at the same moment, to (c): agents x metrics each, such as 10000x5,1000x50
  --subscribers <list> instead: (c) with so many subscribers of agent/#, such as 0,1,10,100, of QoS 0 and of QoS 1
  --additions <list> instead: (c) with so many rows of "Other topics", through the last of which the load comes, or rules of metric-alert, beside (c) without, such as
                  topics:1,topics:20,alerts:1,alerts:20; --metrics <list> of so many metrics a message (1,5,50); --crowds <list> of so many agents (20)
  --dashboard     instead: the example Live dashboard in Chromium; 5 tries of each
  --crowds <list> with --dashboard: numbers of agents (100,500,2000); with --additions (20)
  --viewers <list> with --dashboard: numbers of viewers (1,2,4,8)
  --remote        instead: workers on a Mosquitto beside the embedded broker; --only es,ms,mq,ep,mp,mp2 chooses among the deployments
  --rows <n>      with --databases: rows that are queried; half as many are deleted (10000000)
  --default-flags start every contestant without the V8 flags of npm start
  --profile       write a CPU profile of each contestant into results/; node profile.ts <file> reads it
`

export interface Options extends Settings {
  runs: number
  only: string[]
  million: boolean
  delivery: boolean
  databases: boolean
  shapes: string[]
  rows: number
  dashboard: boolean
  remote: boolean
  /** Numbers of agents. */
  crowds: number[]
  /** Numbers of people who look at once. */
  viewers: number[]
  /** Numbers of agents at full load, and `rare`; empty: another benchmark. */
  crews: Crew[]
  /** Agents that report at the same moment; empty: another benchmark. */
  firsts: Crowd[]
  /** Numbers of subscribers; empty: another benchmark. */
  audiences: number[]
  /** What is added to the main flow; empty: another benchmark. */
  additions: Addition[]
  /** Metrics in a message. */
  metrics: number[]
}

/** By what is measured. */
const standards = {
  stored: { seconds: '10', only: 'a,b,c,d', rate: '1000', shapes: '' },
  delivery: { seconds: '1.5', only: 'm,m5,e,p,p5,n,n5', rate: '2000', shapes: '1-1,50-1,1-100,ingest,idle' },
  databases: { seconds: '5', only: 'sqlite3,node:sqlite,postgresql,mariadb', rate: '1000', shapes: 'writer,queries,retention,follow,forget,points' },
  agents: { seconds: '10', only: 'sqlite', rate: '1000', shapes: '' },
  dashboard: { seconds: '5', only: '', rate: '1000', shapes: '' },
  remote: { seconds: '5', only: 'es,ms,mq,ep,mp,mp2', rate: '1000', shapes: 'deployments,agents,metrics,payload,window,workers' }
}

/** Throws what to print when an option is wrong. */
export function readOptions (args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string' },
      runs: { type: 'string' },
      only: { type: 'string' },
      rate: { type: 'string' },
      million: { type: 'boolean', default: false },
      delivery: { type: 'boolean', default: false },
      databases: { type: 'boolean', default: false },
      shapes: { type: 'string' },
      rows: { type: 'string', default: '10000000' },
      dashboard: { type: 'boolean', default: false },
      remote: { type: 'boolean', default: false },
      crowds: { type: 'string' },
      additions: { type: 'string' },
      metrics: { type: 'string', default: '1,5,50' },
      viewers: { type: 'string', default: '1,2,4,8' },
      agents: { type: 'string' },
      first: { type: 'string' },
      subscribers: { type: 'string' },
      'default-flags': { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false }
    }
  })
  const chosen = { ...standards[values.delivery ? 'delivery' : values.databases ? 'databases' : values.dashboard ? 'dashboard' : values.remote ? 'remote' : values.agents === undefined ? 'stored' : 'agents'], ...values, runs: values.runs ?? (values.dashboard ? '5' : '3'), crowds: values.crowds ?? (values.additions === undefined ? '100,500,2000' : '20') }
  const positive = (name: 'seconds' | 'runs' | 'rate' | 'rows'): number => {
    const value = Number(chosen[name])
    if (!(value > 0)) throw new TypeError(`--${name} must be a number above 0.`)
    return value
  }
  const counts = (name: 'crowds' | 'viewers' | 'agents' | 'subscribers' | 'metrics', text = chosen[name] ?? '', least = 1): number[] => {
    const numbers = text.split(',').map(Number)
    if (!numbers.every(number => Number.isInteger(number) && number >= least)) throw new TypeError(`--${name} must be whole numbers from ${least} up, with commas between.`)
    return numbers
  }
  const crowd = (text: string): Crowd => {
    const [, agents, metrics] = /^([1-9]\d*)x([1-9]\d*)$/.exec(text) ?? []
    if (agents === undefined) throw new TypeError('--first must be agents x metrics, such as 10000x5, with commas between.')
    return { agents: Number(agents), metrics: Number(metrics) }
  }
  const addition = (text: string): Addition => {
    const [, what, count] = /^(topics|alerts):([1-9]\d*)$/.exec(text) ?? []
    if (what === undefined) throw new TypeError('--additions must be topics or alerts with how many of them, such as topics:20,alerts:5.')
    return { what: what as Addition['what'], count: Number(count) }
  }
  const seconds = positive('seconds')
  return {
    seconds,
    warmUp: Math.min(3, seconds),
    runs: positive('runs'),
    only: chosen.only.split(','),
    steadyRate: positive('rate'),
    agents: 20,
    million: values.million,
    delivery: values.delivery,
    databases: values.databases,
    shapes: chosen.shapes.split(','),
    rows: positive('rows'),
    dashboard: values.dashboard,
    remote: values.remote,
    crews: values.agents === undefined ? [] : values.agents.split(',').map(name => name === 'rare' ? name : counts('agents', name)[0] ?? NaN),
    firsts: values.first === undefined ? [] : values.first.split(',').map(crowd),
    audiences: values.subscribers === undefined ? [] : counts('subscribers', values.subscribers, 0),
    additions: values.additions === undefined ? [] : values.additions.split(',').map(addition),
    metrics: counts('metrics'),
    crowds: counts('crowds'),
    viewers: counts('viewers'),
    nodeFlags: values['default-flags'] ? [] : memoryFlags,
    profile: values.profile
  }
}

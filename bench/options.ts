import { parseArgs } from 'node:util'
import { memoryFlags } from '../scripts/setup.mjs'
import type { Settings } from './measure.ts'

export const usage = `npm run bench -- [options]
  --seconds <n>   full load, and again the steady load, of each contestant (10; with --delivery 1.5)
  --runs <n>      rounds; every contestant once in each, the table shows the medians (3)
  --only <list>   letters or ids of contestants, such as a,c,d3 (a,b,c,d)
  --rate <n>      messages a second of the steady load (1000; with --delivery 2000)
  --million       instead: a million messages into (c), its memory each second
  --delivery      instead: brokers beside each other, publishers to receivers; --only m,e,p,n chooses among them
  --shapes <list> with --delivery: 1-1, 50-1, 1-100 (both qualities; 1-1:0 one), ingest, idle (all)
  --default-flags start every contestant without the V8 flags of npm start
  --profile       write a CPU profile of each contestant into results/; node profile.ts <file> reads it
`

export interface Options extends Settings { runs: number, only: string[], million: boolean, delivery: boolean, shapes: string[] }

/** Throws what to print when an option is wrong. */
export function readOptions (args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string' },
      runs: { type: 'string', default: '3' },
      only: { type: 'string' },
      rate: { type: 'string' },
      million: { type: 'boolean', default: false },
      delivery: { type: 'boolean', default: false },
      shapes: { type: 'string', default: '1-1,50-1,1-100,ingest,idle' },
      'default-flags': { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false }
    }
  })
  const standard = values.delivery ? { seconds: '1.5', only: 'm,e,p,n', rate: '2000' } : { seconds: '10', only: 'a,b,c,d', rate: '1000' }
  const chosen = { ...standard, ...values }
  const positive = (name: 'seconds' | 'runs' | 'rate'): number => {
    const value = Number(chosen[name])
    if (!(value > 0)) throw new TypeError(`--${name} must be a number above 0.`)
    return value
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
    shapes: values.shapes.split(','),
    nodeFlags: values['default-flags'] ? [] : memoryFlags,
    profile: values.profile
  }
}

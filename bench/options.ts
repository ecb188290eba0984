import { parseArgs } from 'node:util'
import { memoryFlags } from '../scripts/setup.mjs'
import type { Settings } from './measure.ts'

export const usage = `npm run bench -- [options]
  --seconds <n>   full load, and again the steady load, of each contestant (10)
  --runs <n>      rounds; every contestant once in each, the table shows the medians (3)
  --only <list>   letters or ids of contestants, such as a,c,d3 (a,b,c,d)
  --rate <n>      messages a second of the steady load (1000)
  --million       instead: a million messages into (c), its memory each second
  --default-flags start every contestant without the V8 flags of npm start
  --profile       write a CPU profile of each contestant into results/; node profile.ts <file> reads it
`

export interface Options extends Settings { runs: number, only: string[], million: boolean }

/** Throws what to print when an option is wrong. */
export function readOptions (args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string', default: '10' },
      runs: { type: 'string', default: '3' },
      only: { type: 'string', default: 'a,b,c,d' },
      rate: { type: 'string', default: '1000' },
      million: { type: 'boolean', default: false },
      'default-flags': { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false }
    }
  })
  const positive = (name: 'seconds' | 'runs' | 'rate'): number => {
    const value = Number(values[name])
    if (!(value > 0)) throw new TypeError(`--${name} must be a number above 0.`)
    return value
  }
  const seconds = positive('seconds')
  return {
    seconds,
    warmUp: Math.min(3, seconds),
    runs: positive('runs'),
    only: values.only.split(','),
    steadyRate: positive('rate'),
    agents: 20,
    million: values.million,
    nodeFlags: values['default-flags'] ? [] : memoryFlags,
    profile: values.profile
  }
}

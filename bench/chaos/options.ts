import { parseArgs } from 'node:util'
import { deployments, type Deployment } from './deployments.ts'
import { faultOf, faults, isFault, type FaultName } from './faults.ts'
import { isPart, parts, type Part } from './parts.ts'

export const usage = `npm run chaos -- [options]
  --minutes <n>  of each deployment (5)
  --seed <n>     of all that is random (one of its own, printed)
  --on <list>    deployments, one after another: ${deployments.map(({ id }) => id).join(',')} (all)
  --only <list>  what happens, of the parts and faults below (all that can happen there)
  --rate <n>     messages a second of the honest publishers (200)
  --arrival      agent-in acknowledges on arrival, which promises nothing: a run with kills has to find what that loses
  --plan         print what would happen when, and end

Parts, all the time: ${parts.join(', ')}.
Faults, at random moments:
${Object.keys(faults).filter(isFault).map(name => `  ${name.padEnd(16)} ${faultOf(name).about}`).join('\n')}

Ends with 0 when every promise was kept, with 1 when one was broken, with 2 when an option is wrong.
`

export interface Options {
  seconds: number
  seed: number
  rate: number
  deployments: readonly Deployment[]
  parts: readonly Part[]
  faults: readonly FaultName[]
  arrival: boolean
  plan: boolean
}

/** @throws TypeError that says which option is wrong */
export function readOptions (args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000 + 1) },
      on: { type: 'string', default: deployments.map(({ id }) => id).join(',') },
      only: { type: 'string', default: [...parts, ...Object.keys(faults)].join(',') },
      rate: { type: 'string', default: '200' },
      arrival: { type: 'boolean', default: false },
      plan: { type: 'boolean', default: false }
    }
  })
  const positive = (name: 'minutes' | 'seed' | 'rate'): number => {
    const number = Number(values[name])
    if (!(number > 0)) throw new TypeError(`--${name} must be a number above 0.`)
    return number
  }
  const names = values.only.split(',')
  const wrong = names.filter(name => !isPart(name) && !isFault(name))
  if (wrong.length > 0) throw new TypeError(`--only names neither a part nor a fault: ${wrong.join(', ')}.`)
  return {
    seconds: positive('minutes') * 60,
    seed: positive('seed'),
    rate: positive('rate'),
    deployments: values.on.split(',').map(id => {
      const deployment = deployments.find(deployment => deployment.id === id)
      if (deployment === undefined) throw new TypeError(`--on names no deployment: ${id}.`)
      return deployment
    }),
    parts: names.filter(isPart),
    faults: names.filter(isFault),
    arrival: values.arrival,
    plan: values.plan
  }
}

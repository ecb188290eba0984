import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { withoutMariadb } from '../../test/helpers/mariadb.ts'
import { withoutMosquitto } from '../../test/helpers/mosquitto.ts'
import { withoutNats } from '../../test/helpers/nats.ts'
import { withoutPostgresql } from '../../test/helpers/postgresql.ts'
import { withoutRabbitmq } from '../../test/helpers/rabbitmq.ts'
import { benchFolder } from '../from-root.ts'
import { describeMachine } from '../machine.ts'
import { allWork, openWorkFolder, removeWorkFolder, workFolder } from '../work.ts'
import type { BrokerKind, DatabaseKind, Deployment } from './deployments.ts'
import { releaseDisks } from './disk.ts'
import { faultsOf } from './faults.ts'
import { usualBounds } from './judge.ts'
import { readOptions, usage, type Options } from './options.ts'
import { partsOf } from './parts.ts'
import { planOf, type Stroke } from './plan.ts'
import type { ChaosReport } from './report.ts'
import { runChaos, usualPartsPace } from './run.ts'
import { describeChaos, describeDeployment } from './table.ts'

const log = (line: string): void => { process.stderr.write(`${line}\n`) }

/** Why there is no such broker or database here. */
const without: Record<BrokerKind | DatabaseKind, string | false | undefined> = {
  embedded: false, mosquitto: withoutMosquitto, rabbitmq: withoutRabbitmq, nats: withoutNats, sqlite: false, postgresql: withoutPostgresql, mariadb: withoutMariadb
}

/** The last part of the time nothing new happens: what was harmed last is to get well. */
const calm = (seconds: number): number => Math.min(10, seconds / 5)

function planFor (deployment: Deployment, { seconds, seed, faults }: Options): Stroke[] {
  const possible = faultsOf(deployment)
  return planOf({ deployment, seconds: seconds - calm(seconds), seed, chosen: faults.filter(fault => possible.includes(fault)) })
}

/** @returns whether every promise was kept */
async function chaos (options: Options): Promise<boolean> {
  const { seconds, seed, rate } = options
  if (options.plan) {
    for (const deployment of options.deployments) {
      console.log(`${deployment.title}, seed ${seed}`)
      for (const { at, fault, lasts, which } of planFor(deployment, options)) console.log(`${at.toFixed(1).padStart(8)} s  ${fault} ${which}${lasts > 0 ? ` for ${lasts} s` : ''}`)
    }
    return true
  }
  releaseDisks(allWork)
  openWorkFolder()
  const results = join(benchFolder, 'results')
  await mkdir(results, { recursive: true })
  const date = new Date().toISOString()
  const machine = describeMachine()
  const reports: ChaosReport[] = []
  log(`--minutes ${seconds / 60} --seed ${seed}`)
  for (const deployment of options.deployments) {
    const reason = without[deployment.broker] || without[deployment.database]
    if (typeof reason === 'string') {
      log(`${deployment.title} is left out. ${reason}`)
      continue
    }
    log(`${deployment.title}: ${seconds / 60} minutes`)
    const folder = await mkdtemp(join(workFolder, `${deployment.id}-`))
    const possible = partsOf(deployment)
    const report = await runChaos({
      deployment, seconds, rate, seed, folder, log, plan: planFor(deployment, options),
      parts: options.parts.filter(part => possible.includes(part)), pace: usualPartsPace, bounds: usualBounds,
      ...options.arrival ? { changes: { 'agent-in': { acknowledge: 'arrival' } } } : {}
    })
    reports.push(report)
    console.log(`${describeDeployment(report)}\n`)
    await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
  const table = describeChaos(reports, machine, date.slice(0, 10))
  await writeFile(join(results, `${date.replaceAll(':', '-')}-chaos.md`), `${reports.map(describeDeployment).join('\n\n')}\n\n${table}\n`)
  console.log(table)
  return reports.length > 0 && reports.every(({ violations }) => violations.length === 0)
}

process.once('exit', removeWorkFolder)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

let options: Options
try {
  options = readOptions(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n\n${usage}`)
  process.exit(2)
}
// Not by itself: npm's PostgreSQL would end it with 0.
process.exit(await chaos(options) ? 0 : 1)

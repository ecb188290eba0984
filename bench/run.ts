import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describeFirst, runFirst } from './agents/first.ts'
import { runAdditions } from './additions/run.ts'
import { describeAdditions } from './additions/table.ts'
import { runAgents } from './agents/run.ts'
import { describeAgents } from './agents/table.ts'
import type { Contestant } from './contestants/contestant.ts'
import { expert } from './contestants/expert.ts'
import { handBuilt } from './contestants/hand-built.ts'
import { ingest, inserts, plainScript } from './contestants/limits.ts'
import { platziverse } from './contestants/platziverse.ts'
import { runDelivery } from './delivery/run.ts'
import { describeDelivery } from './delivery/table.ts'
import { benchFolder } from './from-root.ts'
import { describeMachine } from './machine.ts'
import { measure, type Figures } from './measure.ts'
import { medianOf } from './medians.ts'
import { measureMillion } from './million.ts'
import { readOptions, usage, type Options } from './options.ts'
import { killServers } from './server.ts'
import { describeMillion, describeResults, type Result } from './table.ts'
import { runSubscribers } from './subscribers/run.ts'
import { describeSubscribers } from './subscribers/table.ts'
import { openWorkFolder, removeWorkFolder } from './work.ts'

const contestants = [handBuilt, expert, platziverse, ingest, inserts, plainScript]
const results = join(benchFolder, 'results')

/** Every contestant once a round, so that whatever else the machine does meets all of them alike. */
async function runAll (chosen: Contestant[], options: Options): Promise<Map<Contestant, Figures[]>> {
  const runs = new Map<Contestant, Figures[]>(chosen.map(contestant => [contestant, []]))
  for (let round = 1; round <= options.runs; round++) {
    for (const [contestant, figures] of runs) {
      process.stderr.write(`round ${round} of ${options.runs}: (${contestant.id}) ${contestant.name} … `)
      const measured = await measure(contestant, options)
      figures.push(measured)
      process.stderr.write(`${Math.round(measured.messagesPerSecond)} messages/s\n`)
    }
  }
  return runs
}

async function bench (options: Options): Promise<void> {
  openWorkFolder()
  await mkdir(results, { recursive: true })
  const date = new Date().toISOString()
  const machine = describeMachine()
  const save = (data: object): Promise<void> => writeFile(join(results, `${date.replaceAll(':', '-')}.json`), JSON.stringify({ date, machine, options, ...data }, null, 2))

  if (options.million) {
    const million = await measureMillion(options)
    await save({ million })
    console.log(describeMillion(million))
    return
  }
  if (options.crews.length > 0) {
    // Only now: it looks for servers.
    const [{ targets }, { measureOnServer: measure }] = await Promise.all([import('./databases/targets.ts'), import('./agents/on-server.ts')])
    for (const id of options.only) {
      const target = targets.find(target => target.id === id)
      if (id !== 'sqlite' && target === undefined) throw new TypeError(`--only names no database: ${id}`)
      if (target?.without !== undefined) throw new Error(target.without)
      const agents = await runAgents(options, target && { target, measure })
      await save({ agents })
      console.log(`${describeAgents(agents, machine, options, date.slice(0, 10))}\n`)
    }
    return
  }
  if (options.firsts.length > 0) {
    const first = await runFirst({ ...options, crowds: options.firsts })
    await save({ first })
    console.log(describeFirst(first, machine, options, date.slice(0, 10)))
    return
  }
  if (options.audiences.length > 0) {
    const subscribers = await runSubscribers(options)
    await save({ subscribers })
    console.log(describeSubscribers(subscribers, machine, options, date.slice(0, 10)))
    return
  }
  if (options.additions.length > 0) {
    const additions = await runAdditions(options)
    await save({ additions })
    console.log(describeAdditions(additions, machine, options, date.slice(0, 10)))
    return
  }
  if (options.delivery) {
    const delivery = await runDelivery(options)
    await save({ delivery })
    console.log(describeDelivery(delivery, machine, options, date.slice(0, 10)))
    return
  }
  if (options.dashboard) {
    // Only now: it needs the browser of the tests.
    const [{ runDashboard }, { describeDashboard }] = await Promise.all([import('./dashboard/run.ts'), import('./dashboard/table.ts')])
    const dashboard = await runDashboard(options)
    await save({ dashboard })
    console.log(describeDashboard(dashboard, machine, options, date.slice(0, 10)))
    return
  }
  if (options.remote) {
    // Only now: it needs Mosquitto and the databases of the tests.
    const [{ runRemote }, { describeRemote }, { isAxis, runAxes }, { describeAxes }] =
      await Promise.all([import('./remote/run.ts'), import('./remote/table.ts'), import('./remote/axes.ts'), import('./remote/axes-table.ts')])
    const remote = options.shapes.includes('deployments') ? await runRemote(options) : []
    const axes = options.shapes.some(isAxis) ? await runAxes(options) : []
    await save({ remote, axes })
    if (remote.length > 0) console.log(describeRemote(remote, machine, options, date.slice(0, 10)))
    if (axes.length > 0) console.log(`\n${describeAxes(axes, machine, options, date.slice(0, 10))}`)
    return
  }
  if (options.databases) {
    // Only now: it looks for servers.
    const [{ runDatabases }, { describeDatabases }] = await Promise.all([import('./databases/run.ts'), import('./databases/table.ts')])
    const databases = await runDatabases(options)
    await save({ databases })
    console.log(describeDatabases(databases, machine, options, date.slice(0, 10)))
    return
  }
  const chosen = contestants.filter(({ id }) => options.only.some(name => id.startsWith(name)))
  if (chosen.length === 0) throw new TypeError(`--only names no contestant: ${options.only.join(',')}`)
  const runs = await runAll(chosen, options)
  const medians: Result[] = [...runs].map(([{ id, name, acknowledges }, figures]) => ({ contestant: { id, name, acknowledges }, figures: medianOf(figures) }))
  await save({ medians, runs: Object.fromEntries([...runs].map(([{ id }, figures]) => [id, figures])) })
  console.log(describeResults(medians, machine, options, date.slice(0, 10)))
}

process.once('exit', () => {
  killServers()
  removeWorkFolder()
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))

let options: Options
try {
  options = readOptions(process.argv.slice(2))
} catch (error) {
  console.error(`${(error as Error).message}\n\n${usage}`)
  process.exit(2)
}
try {
  await bench(options)
} catch (error) {
  console.error(`\nNo numbers: ${(error as Error).message}`)
  process.exitCode = 1
}

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import knexFactory from 'knex'
import { checkLedgers, readStored, Violations } from '../../bench/chaos/audit.ts'
import { deployments, type Deployment } from '../../bench/chaos/deployments.ts'
import { faultsOf } from '../../bench/chaos/faults.ts'
import { usualBounds } from '../../bench/chaos/judge.ts'
import { openLedger } from '../../bench/chaos/ledger.ts'
import { partsOf, type Part } from '../../bench/chaos/parts.ts'
import { laneOf, planOf, usualPace, type Pace } from '../../bench/chaos/plan.ts'
import { runChaos, usualPartsPace } from '../../bench/chaos/run.ts'
import { describeDeployment } from '../../bench/chaos/table.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { withoutMariadb } from '../helpers/mariadb.ts'
import { withoutMosquitto } from '../helpers/mosquitto.ts'
import { packageDir, skipped } from '../helpers/node-red.ts'
import { withoutPostgresql } from '../helpers/postgresql.ts'

const seed = 11
const skip = process.platform === 'linux' ? false : skipped('The floods come from addresses of 127.0.0.0/8 other than 127.0.0.1, and disks are mounted, as only Linux does without being asked.')

const named = (id: string): Deployment => deployments.find(deployment => deployment.id === id) ?? assert.fail(id)

async function survives (t: TestContext, deployment: Deployment, { seconds, parts, pace }: { seconds: number, parts: Part[], pace: Pace }): Promise<void> {
  const report = await runChaos({
    deployment,
    seconds,
    rate: 100,
    seed,
    parts,
    plan: planOf({ deployment, seconds: seconds - 5, seed, chosen: faultsOf(deployment), pace }),
    folder: await temporaryFolder(t),
    pace: { ...usualPartsPace, flood: 2, stormEvery: 15, storm: 1, largeEvery: 6 },
    // Other tests run meanwhile: how long an honest client waits is judged by the long run.
    bounds: { ...usualBounds, pingP99: 3_000, publishP99: 3_000, editorP99: 8_000 },
    log: line => { t.diagnostic(line) }
  })
  for (const line of describeDeployment(report).split('\n')) t.diagnostic(line)
  assert.deepEqual(report.violations, [])
}

describe('chaos', { skip }, () => {
  const busy: Pace = { ...usualPace, worker: [2, 5], broker: [3, 6], database: [3, 6] }

  test('on SQLite, with everything at once, breaks no promise', { timeout: 200_000 }, t =>
    survives(t, named('sqlite'), { seconds: 35, parts: partsOf(named('sqlite')), pace: busy }))

  for (const [id, without] of [['postgresql', withoutPostgresql], ['mariadb', withoutMariadb], ['shards', withoutMosquitto || withoutPostgresql]] as const) {
    test(`on ${named(id).title} breaks no promise`, { timeout: 200_000, skip: without ?? false }, t =>
      survives(t, named(id), { seconds: 15, parts: ['guests', 'storms'], pace: busy }))
  }

  test('finds what is lost where messages are acknowledged on arrival, and ends with 1', { timeout: 120_000 }, async () => {
    const { code, stdout } = await command('--arrival', '--on', 'sqlite', '--only', 'worker-kill,database-lock', '--minutes', '0.3', '--seed', '9')
    assert.equal(code, 1, stdout)
    assert.match(stdout, /acknowledged means stored: \d+ ×/)
    const lost = /\| SQLite \| 0\.3, 9 \| [\d,]+ \| ([\d,]+) \|/.exec(stdout)?.[1]
    assert.ok(lost !== undefined && lost !== '0', stdout)
  })
})

test('the audit finds what is missing, what is there twice, and what is there in part', async t => {
  const folder = await temporaryFolder(t)
  const db = knexFactory({ client: 'sqlite3', connection: { filename: join(folder, 'audited.sqlite') }, useNullAsDefault: true })
  t.after(() => db.destroy())
  await db.schema.createTable('agents', table => { table.integer('id'); table.string('uuid') })
  await db.schema.createTable('series', table => { table.integer('id'); table.integer('agent_id'); table.string('type') })
  await db.schema.createTable('metrics', table => { table.integer('series_id'); table.double('value'); table.text('text') })
  await db('agents').insert({ id: 1, uuid: 'chaos-qos1-0' })
  await db('series').insert([{ id: 1, agent_id: 1, type: 'n' }, { id: 2, agent_id: 1, type: 't' }])
  const numbers = [0, 2, 2, 3]
  const texts = [0, 2, 2]
  await db('metrics').insert([...numbers.map(value => ({ series_id: 1, value, text: null })), ...texts.map(text => ({ series_id: 2, value: null, text: String(text) }))])
  const file = join(folder, 'ledger')
  const ledger = openLedger(file)
  for (const seq of [0, 1, 2, 3]) ledger.record({ uuid: 'chaos-qos1-0', seq, sentAt: seq, doneAt: seq, resends: 1 })
  await ledger.close()

  const violations = new Violations()
  const { acknowledged, lost, doubled } = await checkLedgers([file], await readStored(db), [], violations)
  assert.deepEqual({ acknowledged, lost, doubled }, { acknowledged: 4, lost: 1, doubled: 1 })
  assert.deepEqual(violations.list.map(({ promise, count }) => [promise, count]), [['acknowledged means stored', 1], ['nothing is stored twice', 1], ['a message is stored whole', 1]])
})

test('the same seed makes the same plan, in which a thing has one fault at a time, and each of its faults before it has one again', () => {
  for (const deployment of deployments) {
    const chosen = faultsOf(deployment)
    const plan = planOf({ deployment, seconds: 600, seed, chosen })
    assert.deepEqual(plan, planOf({ deployment, seconds: 600, seed, chosen }))
    assert.notDeepEqual(plan, planOf({ deployment, seconds: 600, seed: seed + 1, chosen }))
    assert.deepEqual([...new Set(plan.map(({ fault }) => fault))].sort(), [...chosen].sort())
    for (const lane of new Set(plan.map(laneOf))) {
      const strokes = plan.filter(stroke => laneOf(stroke) === lane)
      const faults = new Set(strokes.map(({ fault }) => fault))
      for (const [i, { at, lasts }] of strokes.entries()) assert.ok(at + lasts < (strokes[i + 1]?.at ?? Infinity), `${lane} at ${at}`)
      assert.deepEqual(new Set(strokes.slice(0, faults.size).map(({ fault }) => fault)), faults)
    }
  }
})

test('a wrong option of the command is named, and it ends with 2', async () => {
  for (const [args, reason] of [[['--on', 'oracle'], /--on names no deployment: oracle/], [['--only', 'peace'], /--only names neither a part nor a fault: peace/], [['--minutes', '0'], /--minutes must be a number above 0/]] as const) {
    const { code, stderr } = await command(...args)
    assert.equal(code, 2, stderr)
    assert.match(stderr, reason)
  }
})

async function command (...args: string[]): Promise<{ code: number, stdout: string, stderr: string }> {
  try {
    return { code: 0, ...await promisify(execFile)(process.execPath, [join(packageDir, 'bench', 'chaos', 'command.ts'), ...args]) }
  } catch (error) {
    return error as { code: number, stdout: string, stderr: string }
  }
}

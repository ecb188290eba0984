import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import knexFactory from 'knex'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import type { ServerOptions } from '../../lib/store/dialects/options.ts'
import { Store } from '../../lib/store/store.ts'
import { until } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { startMariadb, withoutMariadb } from '../helpers/mariadb.ts'
import { message, reading } from '../helpers/messages.ts'
import { freePort, startNodeRed } from '../helpers/node-red.ts'
import { openPage, openShell, withoutPrograms, type Shell } from '../helpers/pages.ts'
import { newestPostgresql } from '../helpers/postgresql-programs.ts'
import { assertStoredOnce, Sender } from '../helpers/sender.ts'
import { asService } from '../helpers/services.ts'
import { offerBuiltSqlite3, pack } from '../helpers/tarball.ts'

const page = await openPage('backup.md')

test('SQLite and everything else are copied beside agents that report, and restored', { timeout: 240_000, skip: withoutPrograms(['sqlite3'], 'sqlite3') }, async t => {
  const folder = await temporaryFolder(t)
  const shell = await openShell(t, await offerBuiltSqlite3(folder))
  const userDir = join(shell.home, '.node-red')
  await shell.run(`mkdir .node-red && npm install --prefix .node-red ${await pack(folder)}`)
  const port = await freePort()
  const flows = await exampleFlow('Monitor agents', { 'platziverse-broker': { port, persistence: 'disk' } }, ['platziverse-agent', 'debug'])
  await writeFile(join(userDir, 'flows.json'), JSON.stringify(flows))
  const service = await asService(t, shell, () => startNodeRed({ userDir, linked: false }))
  await shell.run('systemctl start node-red')
  const run = async (heading: string, block?: number): Promise<string> => {
    let output = ''
    for (const script of block === undefined ? page.commands(heading) : page.commands(heading).slice(block, block + 1)) output += await shell.run(script)
    return output
  }
  async function inside (file = 'platziverse.sqlite') {
    const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(userDir, file) }, useNullAsDefault: true })
    t.after(() => knex.destroy())
    return knex
  }

  const sender = new Sender('sensor-1', `mqtt://127.0.0.1:${port}`)
  const sending = sender.run()
  const more = async (messages: number): Promise<void> => {
    const enough = sender.acknowledged.size + messages
    await until(() => sender.acknowledged.size, n => n >= enough, 60_000)
  }
  await more(500)
  const acknowledged = new Set(sender.acknowledged)
  const answer = await run('SQLite, while Node-RED runs')
  assert.match(answer, /^ok$/m)
  const backup = await inside('backup.sqlite')
  await assertStoredOnce(backup, { ...sender, uuid: sender.uuid, acknowledged, sent: sender.sent } as Sender)
  const copied = (await backup('metrics').count({ n: '*' }).first())?.n as number
  await assert.rejects(shell.run(`sqlite3 ~/.node-red/platziverse-broker/*/broker.sqlite 'select count(*) from records'`), /locked/)

  await more(100)
  const { losses } = sender
  const { pid } = service.nodeRed
  await run('Everything')
  assert.notEqual(service.nodeRed.pid, pid)
  await until(() => sender.losses, n => n > losses)
  await more(100)
  await sender.stop()
  await sending
  await assertStoredOnce(await inside(), sender)

  await shell.run('systemctl stop node-red')
  await rm(userDir, { recursive: true })
  await run('Restore everything')
  const restored = await inside()
  const all = (await restored('metrics').count({ n: '*' }).first())?.n as number
  assert.ok(all > copied, `${all} metrics, and ${copied} in the earlier copy`)
  const again = new Sender('sensor-2', `mqtt://127.0.0.1:${port}`)
  const sendingAgain = again.run()
  await until(() => again.acknowledged.size, n => n > 50)
  await again.stop()
  await sendingAgain
  await assertStoredOnce(restored, again)
  await restored.destroy()

  for (const block of [0, 1]) {
    await run('Restore SQLite', block)
    assert.ok(service.running)
    const file = await inside()
    const count = (await file('metrics').count({ n: '*' }).first())?.n as number
    assert.ok(count >= copied && count < all, `block ${block}: ${count} of ${copied}`)
    await file.destroy()
  }
})

describe('servers are copied beside a writer, and restored', () => {
  const postgresql = newestPostgresql()
  for (const { name, number, skip, open, env } of [
    { name: 'PostgreSQL', number: 0, skip: postgresql.without, open: postgresql.start, env: inEnvironment },
    { name: 'MariaDB', number: 1, skip: withoutMariadb ?? withoutPrograms(['mariadb-dump', 'mariadb'], 'mariadb-client'), open: startMariadb, env: inFile }
  ]) {
    test(name, { skip: skip ?? false }, async t => {
      const server = await open()
      after(() => server.end())
      const options = await server.fresh()
      const shell = await openShell(t)
      const here = async (heading: string): Promise<string> => (page.commands(heading)[number] ?? '').replace(/platziverse(?=$| >| <)/gm, options.database ?? '').replace('--dbname=platziverse', `--dbname=${options.database}`)
      await env(shell, options)
      Object.assign(shell.env, { PATH: `${postgresql.folder}:${shell.env['PATH']}` })

      const store = new Store(dialectOf(options), { instance: 'test' })
      let stored = 0
      let writing = true
      const write = (): Promise<void> => new Promise((resolve, reject) => {
        store.write(message('agent/message', JSON.parse(reading('a'))), Date.now(), error => { if (error === null) resolve(); else reject(error) })
      })
      const writer = (async () => {
        while (writing) {
          await write()
          stored++
        }
      })()
      await until(() => stored, n => n >= 20)
      const before = stored
      await shell.run(await here('PostgreSQL and MariaDB, while Node-RED runs'))
      writing = false
      await writer
      await store.close()
      const lost = stored

      await shell.run(await here('Restore PostgreSQL and MariaDB'))
      const restored = new Store(dialectOf(options), { instance: 'test' })
      t.after(() => restored.close())
      await new Promise<void>((resolve, reject) => {
        restored.write(message('agent/message', JSON.parse(reading('b'))), Date.now(), error => { if (error === null) resolve(); else reject(error) })
      })
      const knex = await restored.read()
      const [{ n } = { n: 0 }] = await knex('metrics').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id').where('uuid', 'a').count({ n: '*' }) as Array<{ n: number | string }>
      assert.ok(Number(n) >= before * 3 && Number(n) <= lost * 3, `${n} metrics of ${before} to ${lost} messages`)
    })
  }
})

async function inEnvironment (shell: Shell, { host, port, user, password }: ServerOptions): Promise<void> {
  Object.assign(shell.env, { PGHOST: host, PGPORT: String(port), PGUSER: user, PGPASSWORD: password })
}

async function inFile (shell: Shell, { host, port, user, password }: ServerOptions): Promise<void> {
  await writeFile(join(shell.home, '.my.cnf'), `[client]\nhost=${host}\nport=${port}\nuser=${user}\npassword=${password}\n`)
}

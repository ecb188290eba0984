import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import knexFactory from 'knex'
import { until } from '../helpers/events.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, packageDir, startNodeRed } from '../helpers/node-red.ts'
import { cloneIsHere, openPage, openShell, withoutPrograms } from '../helpers/pages.ts'
import { assertStoredOnce, Sender } from '../helpers/sender.ts'
import { asService } from '../helpers/services.ts'
import { offerBuiltSqlite3, pack } from '../helpers/tarball.ts'

const page = await openPage('upgrade.md')
const run = promisify(execFile)
const { version } = JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8')) as { version: string }
const older = '0.0.9'

/** The package as it is, with an older version's number, in `folder`. */
async function packOlder (folder: string): Promise<string> {
  const tarball = await pack(folder)
  await run('tar', ['-xzf', tarball, '-C', folder])
  const manifest = join(folder, 'package', 'package.json')
  await writeFile(manifest, (await readFile(manifest, 'utf8')).replace(`"version": "${version}"`, `"version": "${older}"`))
  const file = tarball.replace(version, older)
  await run('tar', ['-czf', file, '-C', folder, 'package'])
  await run('rm', ['-r', join(folder, 'package'), tarball])
  return file
}

test('the commands replace an older version under a running agent, and bring it back', { timeout: 240_000, skip: withoutPrograms(['sqlite3'], 'sqlite3') }, async t => {
  const shell = await openShell(t)
  Object.assign(shell.env, await offerBuiltSqlite3(shell.home))
  await cloneIsHere(shell)
  await mkdir(join(shell.home, 'old'))
  const userDir = join(shell.home, '.node-red')
  await shell.run(`mkdir .node-red && npm install --prefix .node-red ${await packOlder(join(shell.home, 'old'))} && git clone`)
  const port = await freePort()
  await writeFile(join(userDir, 'flows.json'), JSON.stringify(await exampleFlow('Monitor agents', { 'platziverse-broker': { port } }, ['platziverse-agent', 'debug'])))
  await asService(t, shell, () => startNodeRed({ userDir, linked: false }))
  await shell.run('systemctl start node-red')

  const sender = new Sender('sensor-1', `mqtt://127.0.0.1:${port}`)
  const sending = sender.run()
  const more = async (): Promise<void> => {
    const enough = sender.acknowledged.size + 100
    await until(() => sender.acknowledged.size, n => n >= enough, 60_000)
  }
  await more()
  let said = ''
  for (const script of page.commands('From a file')) said += await shell.run(script)
  assert.ok(said.includes(`\n${version}\n`), said)
  assert.match(said, /^metrics +[1-9]/m)
  await more()
  await sender.stop()
  await sending
  const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
  await assertStoredOnce(knex, sender)
  const count = async (from: typeof knex): Promise<number> => Number((await from('metrics').count({ n: '*' }).first())?.n)
  const all = await count(knex)
  await knex.destroy()

  for (const script of page.commands('Back to the old version')) await shell.run(script)
  assert.equal((await shell.run('cd ~/.node-red && npx platziverse-store --version')).trim(), older)
  const back = knexFactory({ client: 'sqlite3', connection: { filename: join(userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
  t.after(() => back.destroy())
  const kept = await count(back)
  assert.ok(kept >= 200 && kept < all, `${kept} of ${all}`)
})

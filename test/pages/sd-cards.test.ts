import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { pagesInLog } from '../../lib/store/dialects/sqlite/kind.ts'
import { until } from '../helpers/events.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, packageDir, startNodeRed } from '../helpers/node-red.ts'
import { openPage, openShell, withoutPrograms } from '../helpers/pages.ts'
import { Sender } from '../helpers/sender.ts'
import { asService } from '../helpers/services.ts'

const page = await openPage('sd-cards.md')
const run = promisify(execFile)

test('the page says when SQLite\'s log moves into the file', async () => {
  assert.ok((await readFile(join(packageDir, 'docs', 'sd-cards.md'), 'utf8')).includes(`${pagesInLog.toLocaleString('en-US')} pages`))
})

test('the command shows what Node-RED has written, and it grows with what agents report', { skip: process.platform !== 'linux' && 'a file of Linux' }, async t => {
  const shell = await openShell(t)
  const port = await freePort()
  const flows = await exampleFlow('Monitor agents', { 'platziverse-broker': { port } }, ['platziverse-agent', 'debug'])
  await asService(t, shell, () => startNodeRed({ userDir: shell.home, flows }))
  await shell.run('systemctl start node-red')
  const [written = ''] = page.commands('How much that is')
  const ofNodeRed = async (): Promise<number> => {
    const said = await shell.run(written)
    return Number(/^write_bytes: (\d+)\n$/.exec(said)?.[1] ?? assert.fail(said))
  }
  const before = await ofNodeRed()
  const sender = new Sender('sensor-1', `mqtt://127.0.0.1:${port}`)
  const sending = sender.run()
  await until(() => sender.acknowledged.size, n => n > 200)
  await sender.stop()
  await sending
  const after = await ofNodeRed()
  assert.ok(after > before, `${before}, then ${after}`)
})

const disks = await readdir('/sys/block').catch(() => [])
const disk = disks.find(name => !/^(loop|ram|zram)/.test(name))

test('the command for the card shows what a disk got since the machine started', { skip: disk === undefined && 'a file of Linux' }, async t => {
  const shell = await openShell(t)
  const command = page.commands('How much that is')[1] ?? ''
  const sectors = async () => Number((await readFile(`/sys/block/${disk}/stat`, 'utf8')).trim().split(/ +/)[6])
  const before = await sectors()
  const said = await shell.run(command.replace('mmcblk0', disk ?? ''))
  const gigabytes = Number(/^([\d.]+) GB\n$/.exec(said)?.[1] ?? assert.fail(said))
  // Sectors of 512 bytes, whatever the disk's own are: https://www.kernel.org/doc/html/latest/block/stat.html
  const least = before * 512 / 1e9 - 0.001
  const most = await sectors() * 512 / 1e9 + 0.001
  assert.ok(gigabytes >= least && gigabytes <= most, `${least}, ${gigabytes}, ${most}`)
})

test('the journal stays in memory', { skip: withoutPrograms(['systemd-analyze'], 'systemd') }, async t => {
  const shell = await openShell(t)
  const asked: string[] = []
  await shell.standIn('systemctl', args => { asked.push(args.join(' ')); return '' })
  await mkdir(join(shell.home, 'etc'))
  await shell.run(page.commands('The journal in memory').join('').replaceAll(' /etc/', ` ${shell.home}/etc/`))
  const { stdout } = await run('systemd-analyze', ['--root', shell.home, 'cat-config', 'systemd/journald.conf'])
  assert.match(stdout, /^\[Journal\]\nStorage=volatile$/m)
  assert.deepEqual(asked, ['restart systemd-journald'])
})

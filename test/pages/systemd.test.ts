import assert from 'node:assert/strict'
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { hostname } from 'node:os'
import { describe, test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { startBroker } from '../helpers/agent-broker.ts'
import { until } from '../helpers/events.ts'
import { freePort, nodeFor, packageDir, packageName, skipWithoutNodeRed } from '../helpers/node-red.ts'
import { cloneIsHere, openPage, openShell, withoutPrograms } from '../helpers/pages.ts'
import { offerBuiltSqlite3 } from '../helpers/tarball.ts'

const page = await openPage('systemd.md')
const run = promisify(execFile)
const units = (await readdir(join(packageDir, 'docs', 'systemd'))).filter(file => file.endsWith('.service'))
const skip = withoutPrograms(['systemd-analyze', 'systemctl'], 'systemd') || skipWithoutNodeRed(5)

describe('systemd, without its process', () => {
  test('the units are right, as systemd itself judges', { skip }, async () => {
    for (const unit of units) {
      const { stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', join(packageDir, 'docs', 'systemd', unit)])
      assert.equal(stdout + stderr, '', unit)
    }
  })

  test('the commands install both units, and what the units start runs and ends in order', { timeout: 600_000, skip }, async t => {
    const shell = await openShell(t)
    const root = join(shell.home, 'root')
    const prefix = join(shell.home, 'prefix')
    Object.assign(shell.env, await offerBuiltSqlite3(shell.home), { npm_config_prefix: prefix })
    shell.env['PATH'] += `:${join(prefix, 'bin')}`
    await shell.program('node', `exec "${nodeFor(5)}" "$@"`)
    await cloneIsHere(shell)
    for (const folder of ['etc/systemd/system', 'var/lib/node-red', 'var/lib/platziverse-agent']) await mkdir(join(root, folder), { recursive: true })

    const { stdout } = await run('sh', ['-c', 'command -v systemctl'])
    const users: string[][] = []
    const reads: string[][] = []
    await shell.standIn('useradd', args => { users.push(args); return '' })
    await shell.standIn('journalctl', args => { reads.push(args); return '' })
    await shell.standIn('systemctl', async args => {
      const [verb, ...rest] = args
      if (verb === 'enable') await run(stdout.trim(), ['--root', root, 'enable', rest.filter(word => word !== '--now').join()])
      else assert.ok(['daemon-reload', 'status'].includes(verb ?? ''), verb)
      return ''
    })

    const setUp = page.commands('systemd').join('')
    for (const heading of ['Node-RED', 'An agent']) {
      await shell.run(`${heading === 'Node-RED' ? setUp : 'cd node-red-platziverse\n'}${page.commands(heading).join('').replaceAll(' /etc/', ` ${root}/etc/`)}`)
    }
    assert.deepEqual((await readdir(join(root, 'etc/systemd/system/multi-user.target.wants'))).sort(), units.sort())
    assert.deepEqual(reads.map(args => args[1]), ['platziverse-agent'])

    const nodeRed = await unit('node-red')
    assert.deepEqual(users.map(args => args.at(-1)), [nodeRed.settings['User']])
    assert.ok(users[0]?.includes(`/var/lib/${nodeRed.settings['StateDirectory']}`))
    const port = await freePort()
    const service = start(t, nodeRed.command, { ...shell.env, ...nodeRed.env, PORT: String(port) })
    await until(() => service.log(), text => /Started flows|Server now running/.test(text) || service.child.exitCode !== null, 60_000)
    const sets = await until(async () => await fetch(`http://127.0.0.1:${port}/nodes`, { headers: { accept: 'application/json' } }).then(async answer => await answer.json() as Array<{ module: string, enabled: boolean }>, () => []), sets => sets.length > 0)
    const ours = sets.filter(({ module }) => module === packageName)
    assert.ok(ours.length > 0 && ours.every(({ enabled }) => enabled), service.log())
    await service.end(nodeRed.settings['KillSignal'] as NodeJS.Signals, Number(nodeRed.settings['TimeoutStopSec']))

    const file = join(root, 'etc/platziverse-agent.env')
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    const agent = await unit('platziverse-agent')
    assert.equal(agent.settings['EnvironmentFile'], '/etc/platziverse-agent.env')
    const [, options = ''] = /^OPTIONS=(.*)$/m.exec(await readFile(file, 'utf8')) ?? []
    assert.equal(options, `--url mqtt://192.0.2.20:8083 --name ${hostname()}`)
    const broker = await startBroker(t)
    const reports = start(t, agent.command.replace('$OPTIONS', options.replace('mqtt://192.0.2.20:8083', broker.url)), { ...shell.env, ...agent.env })
    await until(() => reports.log(), text => /connected as/.test(text) || reports.child.exitCode !== null)
    assert.match(reports.log(), new RegExp(`connected as ${hostname()}`))
    assert.equal((await readdir(join(root, 'var/lib/platziverse-agent/platziverse'))).length, 1)
    assert.equal(await reports.end('SIGTERM', 15), 0)

    /** What a unit that was installed says, its paths in `root`. */
    async function unit (name: string): Promise<{ settings: Record<string, string>, env: Record<string, string>, command: string }> {
      const text = await readFile(join(root, 'etc/systemd/system', `${name}.service`), 'utf8')
      const pairs = [...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, key = '', value = '']) => [key, value] as const)
      const settings = Object.fromEntries(pairs)
      const here = (value: string): string => value.replaceAll('/var/lib/', `${root}/var/lib/`)
      const env = Object.fromEntries(pairs.filter(([key]) => key === 'Environment').map(([, value]) => here(value).split('=', 2) as [string, string]))
      return { settings, env, command: here(settings['ExecStart'] ?? '') }
    }
  })
})

/** Starts a command of a unit, and ends it as systemd would. */
function start (t: TestContext, command: string, env: NodeJS.ProcessEnv) {
  const [program = '', ...args] = command.split(' ')
  const child: ChildProcess = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => { child.kill('SIGKILL') })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => { log += text })
  return {
    child,
    log: () => log,
    async end (signal: NodeJS.Signals, seconds: number): Promise<number | null> {
      const gone = once(child, 'exit', { signal: AbortSignal.timeout(seconds * 1000) })
      child.kill(signal)
      const [code] = await gone as [number | null]
      return code
    }
  }
}

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startBroker } from '../../helpers/agent-broker.ts'
import { until } from '../../helpers/events.ts'
import { temporaryFolder } from '../../helpers/folder.ts'

const command = fileURLToPath(new URL('../../../lib/agent/command.ts', import.meta.url))

/** Run the command with a data folder of its own. */
async function run (t: TestContext, args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [command, ...args], { env: { ...process.env, XDG_DATA_HOME: await temporaryFolder(t), ...env } })
  t.after(() => { child.kill('SIGKILL') })
  const out: string[] = []
  const err: string[] = []
  const waiting = new Set<() => void>()
  for (const [stream, lines] of [[child.stdout, out], [child.stderr, err]] as const) {
    createInterface(stream).on('line', line => { lines.push(line); for (const look of waiting) look() })
  }
  const ended = new Promise<number | null>(resolve => { child.once('close', resolve) })
  const line = (pattern: RegExp) => new Promise<string>((resolve, reject) => {
    const look = () => {
      const found = [...out, ...err].find(line => pattern.test(line))
      if (found === undefined) return
      clearTimeout(timer)
      waiting.delete(look)
      resolve(found)
    }
    const timer = setTimeout(() => reject(new Error(`no ${pattern} in:\n${[...out, ...err].join('\n')}`)), 20_000)
    waiting.add(look)
    look()
  })
  return { child, out, err, ended, line }
}

test('--help and --version print and end with 0', async t => {
  const help = await run(t, ['--help'])
  assert.equal(await help.ended, 0)
  assert.match(help.out.join('\n'), /Usage: platziverse-agent[^]+--only/)
  const version = await run(t, ['--version'])
  assert.equal(await version.ended, 0)
  assert.deepEqual(version.out, [JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')).version])
})

for (const args of [['--nonsense'], ['--only', 'cpu,teapot'], ['--interval', 'soon'], ['--url', 'nowhere']]) {
  test(`${args.join(' ')} ends with 2 and a coded sentence`, async t => {
    const { ended, err, out } = await run(t, args)
    assert.equal(await ended, 2)
    assert.match(err.join('\n'), /^AGENT_OPTION_INVALID: /)
    assert.deepEqual(out, [])
  })
}

test('it reports this host until SIGTERM, through a loss of the connection', async t => {
  const broker = await startBroker(t, { authenticate: (_client, username, password, callback) => { callback(null, username === 'ana' && String(password) === 'secret') } })
  const agent = await run(t, ['--url', broker.url, '--name', 'Shed', '--username', 'ana', '--interval', '100', '--only', 'memory, disk', '--verbose'], { PLATZIVERSE_PASSWORD: 'secret' })
  const [message] = await broker.arrived('agent/message')
  assert.deepEqual(message?.payload.metrics?.map(({ type }) => type), ['memoryUsed', 'memoryUsedPercent', 'diskUsedPercent'])
  assert.match(await agent.line(/^connected/), /^connected as Shed \([0-9a-f-]{36}\)$/)
  assert.match(await agent.line(/^memoryUsed /), /^memoryUsed \d+ · memoryUsedPercent [\d.]+ · diskUsedPercent [\d.]+$/)
  broker.cut()
  assert.match(await agent.line(/^connection lost/), /trying again: AGENT_UNREACHABLE: /)
  await broker.arrived('agent/connected', 2)
  await agent.line(/^connected/)
  agent.child.kill('SIGTERM')
  assert.equal(await agent.ended, 0)
  assert.equal(agent.out.at(-1), 'disconnected')
  // On a machine that is too slow for its farewell the will comes instead, a moment later.
  await until(() => broker.arrivals.at(-1)?.topic, topic => topic === 'agent/disconnected')
})

test('--once reports once and ends with 0', async t => {
  const broker = await startBroker(t)
  const { ended, out } = await run(t, ['--url', broker.url, '--once', '--uuid', 'cron'])
  assert.equal(await ended, 0)
  assert.match(out.join('\n'), /^cpuLoad [\d.]+ · /)
  assert.deepEqual(broker.arrivals.map(({ topic, payload }) => [topic, payload.agent.uuid]), [['agent/connected', 'cron'], ['agent/message', 'cron'], ['agent/disconnected', 'cron']])
})

test('--once ends with 1 where no broker answers', async t => {
  const { ended, err } = await run(t, ['--url', 'mqtt://127.0.0.1:1', '--once'])
  assert.equal(await ended, 1)
  assert.match(err.join('\n'), /^AGENT_UNREACHABLE: No connection: connect ECONNREFUSED/)
})

test('it keeps trying where no broker answers, and ends with 0 on SIGINT', async t => {
  const agent = await run(t, ['--url', 'mqtt://127.0.0.1:1', '--only', 'memory'])
  await agent.line(/^AGENT_UNREACHABLE/)
  agent.child.kill('SIGINT')
  assert.equal(await agent.ended, 0)
})

test('an encoded password in the address is decoded', async t => {
  const seen: string[] = []
  const broker = await startBroker(t, {
    authenticate (_client, username, password, callback) {
      seen.push(`${String(username)} ${String(password)}`)
      callback(null, true)
    }
  })
  const { ended } = await run(t, ['--url', broker.url.replace('//', '//a%3Ab:p%3Ass%40w%25@'), '--once', '--only', 'memory'])
  assert.equal(await ended, 0)
  assert.deepEqual(seen, ['a:b p:ss@w%'])
})

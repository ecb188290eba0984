import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { makeAgent, startBroker } from '../../helpers/agent-broker.ts'
import { openBroker } from '../../helpers/broker.ts'
import { until } from '../../helpers/events.ts'
import { temporaryFolder } from '../../helpers/folder.ts'

const command = fileURLToPath(new URL('../../../lib/terminal/command.ts', import.meta.url))

/** util-linux's `script` gives a program a terminal of its own. */
function whyNoTerminal (): string | false {
  try {
    return /util-linux/.test(execFileSync('script', ['--version'], { encoding: 'utf8' })) ? false : 'script is not that of util-linux'
  } catch {
    return 'there is no script: apt-get install bsdutils'
  }
}

const skip = whyNoTerminal()

/** The command on a terminal of that size, which becomes another one once there is a file `when`. */
function onTerminal (t: TestContext, args: string[], { columns = 100, rows = 24, later = { when: '', size: '' } } = {}) {
  // A shell gives what runs beside it no terminal to read from.
  const resize = later.when === '' ? '' : `(until [ -e '${later.when}' ]; do sleep 0.1; done; stty -F /dev/tty ${later.size}) & `
  const line = `stty cols ${columns} rows ${rows}; ${resize}exec '${process.execPath}' '${command}' ${args.map(arg => `'${arg}'`).join(' ')}`
  const child = spawn('script', ['-qfec', line, '/dev/null'], { env: { ...process.env, LC_ALL: 'C', TERM: 'xterm' } })
  t.after(() => { child.kill('SIGKILL') })
  let written = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { written += text })
  const ended = new Promise<number | null>(resolve => { child.once('close', resolve) })
  return { press: (keys: string) => child.stdin.write(keys), shows: (pattern: RegExp) => until(() => pattern.test(written), Boolean), written: () => written, ended }
}

test('--watch shows agents live on the whole terminal, opens one, and gives the terminal back', { skip }, async t => {
  const broker = await startBroker(t)
  let load = 0
  const watching = onTerminal(t, ['--watch', '--url', broker.url], { rows: 30 })
  await watching.shows(/Nobody has reported yet/)
  const agent = makeAgent(t, { mqtt: { url: broker.url }, uuid: 'u1', name: 'Roof', interval: 50 }).addMetric('load', () => load++)
  for (let i = 0; i < 20; i++) agent.addMetric(`metric ${i}`, () => i)
  await agent.connect()
  await watching.shows(/1 agent · 1 connected/)
  await watching.shows(/load.+▁.+█/)
  assert.doesNotMatch(watching.written(), /metric 19/)
  watching.press('\r')
  await watching.shows(/metric 19/)
  watching.press('\x1b')
  await watching.shows(/Enter all metrics[^]+Esc back[^]+Enter all metrics/)
  await agent.disconnect()
  await watching.shows(/1 agent · 0 connected/)
  watching.press('q')
  assert.equal(await watching.ended, 0)
  assert.ok(watching.written().startsWith('\x1b[?1049h\x1b[?25l\x1b[?7l'))
  assert.ok(watching.written().endsWith('\x1b[?7h\x1b[?25h\x1b[?1049l'))
})

for (const args of [['--watch'], ['sub', '-v', '-t', 'agent/#']]) {
  test(`${args[0]} on a terminal writes none of the sequences that an agent sends`, { skip }, async t => {
    const broker = await startBroker(t)
    const watching = onTerminal(t, [...args, '--url', broker.url])
    const hostile = '\x1b]0;taken\x07\x1b[31m\x9b32m\u202E'
    const agent = makeAgent(t, { mqtt: { url: broker.url }, uuid: 'u1', name: `Roof ${hostile}`, interval: 50 }).addMetric(`a ${hostile}`, () => hostile)
    await agent.connect()
    await watching.shows(/Roof \uFFFD\]0;taken|Roof \\u001b/)
    watching.press(args[0] === '--watch' ? 'q' : '\x03')
    await watching.ended
    const foreign = watching.written().replace(/\x1b\[(?:\?\d+[hl]|\d+;\d+H|\d*[KJm])/g, '')
    assert.doesNotMatch(foreign, /\x1b|\x07|\x9b|\u202E/)
  })
}

test('--watch shows at once the agents whose state agent-out retained, until they are forgotten', { skip }, async t => {
  const broker = await openBroker(t)
  const out = await broker.client()
  await out.publishAsync('agent/\u009b2Ju7/status', 'connected', { qos: 1, retain: true })
  await out.publishAsync('agent/u8/status', 'disconnected', { qos: 1, retain: true })
  const watching = onTerminal(t, ['--watch', '--url', broker.url])
  await watching.shows(/2 agents · 1 connected/)
  await watching.shows(/\uFFFD2Ju7/)
  // As agent-out does when a database forgets an agent.
  await out.publishAsync('agent/u8/status', '', { qos: 1, retain: true })
  await watching.shows(/1 agent · 1 connected/)
  watching.press('q')
  assert.equal(await watching.ended, 0)
})

test('a window that is too small says so, and shows the agents once it is large enough', { skip }, async t => {
  const broker = await startBroker(t)
  const when = join(await temporaryFolder(t), 'when')
  const watching = onTerminal(t, ['--watch', '--url', broker.url], { columns: 20, rows: 4, later: { when, size: 'cols 300 rows 20' } })
  await watching.shows(/Window too small\./)
  await writeFile(when, '')
  await watching.shows(/Nobody has reported yet/)
  watching.press('\x03')
  assert.equal(await watching.ended, 0)
})

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { until } from '../helpers/events.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, packageDir, skipWithoutNodeRed } from '../helpers/node-red.ts'

/** Plain JavaScript, which runs before anything is installed. */
const { translated } = await import(new URL('../../scripts/flow-texts.mjs', import.meta.url).href) as { translated (flow: Array<Record<string, unknown>>, language: string): Array<Record<string, unknown>> }

interface Start { output: () => string, ended: Promise<number | null>, home: string }

/** What `npm start` runs, or another script, in a user directory of its own. */
async function start (t: TestContext, env: Record<string, string>, home?: string, script = 'start.mjs'): Promise<Start> {
  const folder = home ?? await temporaryFolder(t)
  const { LC_ALL: _all, LC_MESSAGES: _messages, MQTT_PORT: _port, ...inherited } = process.env
  const child = spawn(process.execPath, [join(packageDir, 'scripts', script)], { env: { ...inherited, PLATZIVERSE_HOME: folder, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  t.after(async () => {
    child.kill('SIGTERM')
    await ended
  })
  return { output: () => output, ended, home: folder }
}

/** A port of this machine on which another program listens. */
async function takenPort (t: TestContext): Promise<number> {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.after(() => { server.close() })
  return (server.address() as { port: number }).port
}

const flowOf = async (home: string) => JSON.parse(await readFile(join(home, 'flows.json'), 'utf8')) as Array<Record<string, string>>

test('npm start and npm run dev say at once that a port is taken, and which other one to take', async t => {
  const taken = await takenPort(t)
  const free = await freePort()
  const editor = await start(t, { PORT: String(taken), MQTT_PORT: String(free), LANG: 'C.UTF-8' })
  assert.equal(await editor.ended, 1)
  assert.match(editor.output(), new RegExp(`Port ${taken}, which the editor needs, is taken.* PORT=${taken + 1} npm start`))
  const broker = await start(t, { PORT: String(free), MQTT_PORT: String(taken), LANG: 'es_ES.UTF-8' })
  assert.equal(await broker.ended, 1)
  assert.match(broker.output(), new RegExp(`El puerto ${taken}, que necesita el broker MQTT, está ocupado.* MQTT_PORT=${taken + 10} npm start`))
  assert.doesNotMatch(editor.output() + broker.output(), /mqtt:\/\/|\[info\]/)
  const dev = await start(t, { PORT: String(free), MQTT_PORT: String(taken), LANG: 'C.UTF-8' }, undefined, 'dev.mjs')
  assert.equal(await dev.ended, 1)
  assert.match(dev.output(), new RegExp(`Port ${taken}, which the MQTT broker needs, is taken`))
  const wrong = await start(t, { PORT: 'x', LANG: 'pt_BR.UTF-8' })
  assert.equal(await wrong.ended, 1)
  assert.match(wrong.output(), /PORT é "x"/)
})

test('npm start announces the ports that it was given; they are in the flow, its labels and its comments', { timeout: 120_000, skip: skipWithoutNodeRed(5) }, async t => {
  const port = await freePort()
  const mqttPort = await freePort()
  const { output, home, ended } = await start(t, { PORT: String(port), MQTT_PORT: String(mqttPort), LANG: 'es_ES.UTF-8' })
  await Promise.race([until(output, text => text.includes('Ctrl+C'), 60_000), ended])
  assert.match(output(), new RegExp(`Editor +http://127.0.0.1:${port}/\\s+Panel +http://127.0.0.1:${port}/dashboard\\s+Broker +mqtt://127.0.0.1:${mqttPort}\\s+Escuchar +\\S.*-p ${mqttPort} `))
  assert.match(output(), /Arrancando Node-RED…[^]*Flujos iniciados/)
  assert.doesNotMatch(output(), /system-generated key/, 'Node-RED would warn at length')
  const flow = await flowOf(home)
  assert.equal(flow.find(({ type }) => type === 'platziverse-broker')?.['port'], mqttPort)
  assert.equal(Number(flow.find(({ type }) => type === 'mqtt-broker')?.['port']), mqttPort, 'the page Commands reaches the broker')
  const comments = flow.filter(({ type }) => type === 'comment').map(({ name, info }) => `${name} ${info}`).join()
  assert.match(comments, new RegExp(String(mqttPort)))
  assert.doesNotMatch(comments, /8083|:1880/)
  assert.match(comments, /Los agentes reportan/)
  assert.equal((await fetch(`http://127.0.0.1:${port}/dashboard`)).status, 200)
  assert.deepEqual(flow.filter(({ type }) => type === 'ui-page').map(({ path }) => path), ['/overview', '/agent', '/broker', '/commands'])
  const settings = await (await fetch(`http://127.0.0.1:${port}/settings`)).json() as { editorTheme: { tours?: boolean }, telemetryEnabled?: boolean }
  assert.equal(settings.editorTheme.tours, false)
  assert.ok(settings.telemetryEnabled !== undefined, 'without an answer the editor would ask')
})

test('npm start renews the settings that an earlier version made, keeps those that somebody changed, and says where a missing dashboard is', { timeout: 120_000, skip: skipWithoutNodeRed(5) }, async t => {
  const old = await readFile(new URL('../fixtures/home-0.1.0/settings.js', import.meta.url), 'utf8')
  const home = await temporaryFolder(t)
  await writeFile(join(home, 'settings.js'), old)
  await writeFile(join(home, 'flows.json'), '[]\n')
  const port = String(await freePort())
  const { output, ended } = await start(t, { PORT: port, LANG: 'C.UTF-8' }, home)
  await Promise.race([until(output, text => text.includes('Ctrl+C'), 60_000), ended])
  assert.match(output(), /Dashboard +not in the flows .* Live dashboard adds it/)
  const renewed = await readFile(join(home, 'settings.js'), 'utf8')
  assert.match(renewed, /tours: false/)
  const changed = await temporaryFolder(t)
  await writeFile(join(changed, 'settings.js'), `${old}// mine\n`)
  assert.equal(await (await start(t, { PORT: 'x' }, changed)).ended, 1)
  assert.equal(await readFile(join(changed, 'settings.js'), 'utf8'), `${old}// mine\n`)
})

test('every text of the flow that npm start makes is there in Spanish and Portuguese', async () => {
  const flow = await exampleFlow('Monitor agents')
  const textsOf = (nodes: Array<Record<string, unknown>>) => nodes.flatMap(({ label, name, info }) => [label, name, info]).filter(text => typeof text === 'string' && text !== '')
  for (const language of ['es', 'pt']) {
    const [own, there] = [textsOf(translated(flow, language)), textsOf(flow)]
    assert.equal(own.length, there.length)
    assert.deepEqual(own.filter(text => there.includes(text)), [], language)
    assert.deepEqual(own.join().match(/127\.0\.0\.1:\d+|mosquitto_sub.*/g), there.join().match(/127\.0\.0\.1:\d+|mosquitto_sub.*/g), language)
  }
})

test('npm start keeps the port of the flow when it starts again, and moves it when it is given another one', async t => {
  const taken = await takenPort(t)
  const first = await start(t, { PORT: String(await freePort()), MQTT_PORT: String(taken) })
  await first.ended
  const again = await start(t, { PORT: String(await freePort()) }, first.home)
  await again.ended
  assert.match(again.output(), new RegExp(`\\b${taken}\\b`))
  const moved = await start(t, { PORT: String(taken), MQTT_PORT: '1883' }, first.home)
  await moved.ended
  assert.equal((await flowOf(first.home)).find(({ type }) => type === 'platziverse-broker')?.['port'], 1883)
})

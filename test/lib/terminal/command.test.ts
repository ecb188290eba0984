import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test, type TestContext } from 'node:test'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { connectAsync } from 'mqtt'
import { hashPassword } from '../../../lib/broker/access/passwords.ts'
import { addressOf } from '../../../lib/terminal/link.ts'
import { makeAgent, startBroker } from '../../helpers/agent-broker.ts'
import { openBroker } from '../../helpers/broker.ts'
import { makeAuthority, withoutOpenssl } from '../../helpers/certificates.ts'
import { once, until } from '../../helpers/events.ts'
import { temporaryFolder } from '../../helpers/folder.ts'
import { openMosquitto, withoutMosquitto } from '../../helpers/mosquitto.ts'
import { answers, scriptedBroker } from '../../helpers/scripted-broker.ts'

const command = fileURLToPath(new URL('../../../lib/terminal/command.ts', import.meta.url))

/** Run the command with a data folder of its own. */
async function run (t: TestContext, args: string[], env: Record<string, string> = {}) {
  const child = spawn(process.execPath, [command, ...args], { env: { ...process.env, XDG_DATA_HOME: await temporaryFolder(t), LC_ALL: 'C', ...env } })
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

for (const args of [['--nonsense'], ['--only', 'cpu,teapot'], ['--interval', 'soon'], ['--url', 'nowhere'], ['--cafile', '/nowhere']]) {
  test(`${args.join(' ')} ends with 2 and a coded sentence`, async t => {
    const { ended, err, out } = await run(t, args)
    assert.equal(await ended, 2)
    assert.match(err.join('\n'), /^(?:AGENT|TERMINAL)_OPTION_INVALID: /)
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
  assert.match(err.join('\n'), /^TERMINAL_UNREACHABLE: No connection: connect ECONNREFUSED .+credentials\.$/)
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

test('it says once what it reports and how often, and again when a command changes it', async t => {
  const broker = await openBroker(t)
  const operator = await broker.client()
  const agent = await run(t, ['--url', broker.url, '--uuid', 'shed', '--only', 'memory,disk', '--interval', '200'])
  assert.equal(await agent.line(/^reports /), 'reports every 0.2 s: memoryUsed, memoryUsedPercent, diskUsedPercent')
  await operator.publishAsync('config_change/shed', '{"interval": 60000, "metrics": ["diskUsedPercent"]}', { qos: 1, retain: true })
  assert.equal(await agent.line(/^reports every 60 s/), 'reports every 60 s: diskUsedPercent')
  await operator.publishAsync('config_change/shed', '{"interval": 5}', { qos: 1, retain: true })
  await agent.line(/^COMMAND_INTERVAL_INVALID: interval must be/)
  await operator.publishAsync('config_change/shed', '{"metrics": []}', { qos: 1, retain: true })
  await agent.line(/^reports nothing/)
  agent.child.kill('SIGTERM')
  assert.equal(await agent.ended, 0)
  assert.equal(agent.out.filter(line => line.startsWith('reports')).length, 3)
})

test('--no-commands obeys nobody', async t => {
  const broker = await openBroker(t)
  const operator = await broker.client()
  const heard: string[] = []
  operator.on('message', topic => { heard.push(topic) })
  await operator.subscribeAsync(['agent/#', 'config_change/#'])
  await operator.publishAsync('config_change/all', '{"interval": 60000}', { qos: 1, retain: true })
  await run(t, ['--url', broker.url, '--no-commands', '--only', 'memory', '--interval', '100'])
  await until(() => heard.filter(topic => topic === 'agent/message').length, count => count >= 4)
  assert.deepEqual(heard.filter(topic => topic.endsWith('/state')), [])
})

test('people who read Spanish have it in Spanish, by an option or by their environment', async t => {
  const broker = await startBroker(t)
  const help = await run(t, ['--help', '--lang', 'es'])
  assert.equal(await help.ended, 0)
  assert.match(help.out.join('\n'), /Uso: platziverse-agent/)
  const agent = await run(t, ['--url', broker.url, '--name', 'Cocina', '--only', 'memory'], { LC_ALL: 'es_CO.UTF-8' })
  await agent.line(/^conectado como Cocina/)
  assert.equal(await agent.line(/^informa/), 'informa cada 5 s: memoryUsed, memoryUsedPercent')
  const wrong = await run(t, ['--lang', 'tlh'])
  assert.equal(await wrong.ended, 2)
  assert.match(wrong.err.join('\n'), /^TERMINAL_OPTION_INVALID: --lang knows en, es, pt, and not "tlh"\. Correct/)
})

test('whoever reads Portuguese has help, run lines and errors in Portuguese', async t => {
  const broker = await startBroker(t)
  const agent = await run(t, ['--url', broker.url, '--name', 'Cozinha', '--only', 'memory', '--interval', '100'], { LC_ALL: 'pt_BR.UTF-8' })
  await agent.line(/^conectado como Cozinha/)
  assert.equal(await agent.line(/^envia/), 'envia a cada 0,1 s: memoryUsed, memoryUsedPercent')
  await broker.stop()
  assert.match(await agent.line(/^conexão perdida/), /^conexão perdida, tentando de novo: AGENT_UNREACHABLE: Sem conexão: o broker fechou a conexão\. Verifique/)
  for (const [args, expected] of [
    [['pub', '--help'], /^platziverse-agent pub: publica uma mensagem/],
    [['sub', '-p', '1', '-t', 'a'], /^TERMINAL_UNREACHABLE: Sem conexão: ninguém escuta em 127\.0\.0\.1:1 \(ECONNREFUSED\)\. Verifique/],
    [['--watch', '--nonsense'], /^TERMINAL_OPTION_INVALID: Opção desconhecida: --nonsense; veja --help\./]
  ] as const) {
    const { ended, out, err } = await run(t, [...args, '--lang', 'pt'])
    await ended
    assert.match([...out, ...err].join('\n'), expected)
  }
  const watching = await run(t, ['--watch', '--url', 'mqtt://127.0.0.1:1', '--lang', 'es'])
  await watching.line(/^sin conexión: nadie escucha en 127\.0\.0\.1:1/)
})

test('every part trusts the authority in --cafile, and is known by its certificate', { skip: withoutOpenssl }, async t => {
  const folder = await temporaryFolder(t)
  const authority = makeAuthority(folder)
  const tls = { ...authority.issue('server'), ca: authority.cert }
  const { cert, key } = authority.issue('sensor')
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text)
    return join(folder, name)
  }
  const files = ['--cafile', join(folder, 'ca.crt'), '--cert', await file('sensor.crt', cert), '--key', await file('sensor.key', key)]
  const broker = await openBroker(t, { listeners: [{ transport: 'tls', host: '127.0.0.1', port: 0, tls, certificates: 'username' }] })
  const secure = `mqtts://localhost:${broker.port}`
  const usernames = () => broker.events.flatMap(event => event.event === 'connected' ? [event.username] : [])

  const watching = await run(t, ['--watch', '--json', '--url', secure, ...files])
  const sub = await run(t, ['sub', '-h', 'localhost', '-p', String(broker.port), '-t', 'greeting', '-C', '1', ...files])
  await until(() => broker.events.filter(({ event }) => event === 'subscribed').length, count => count >= 3)
  const pub = await run(t, ['pub', '-h', 'localhost', '-p', String(broker.port), '-t', 'greeting', '-m', 'hello', ...files])
  assert.equal(await pub.ended, 0, pub.err.join())
  assert.equal(await sub.ended, 0)
  assert.deepEqual(sub.out, ['hello'])
  const once = await run(t, ['--once', '--uuid', 'u1', '--only', 'memory', '--url', secure, ...files])
  assert.equal(await once.ended, 0, once.err.join())
  await watching.line(/"uuid":"u1".*memoryUsed/)
  assert.deepEqual(usernames(), Array(4).fill('sensor'))

  const stranger = await run(t, ['--once', '--uuid', 'u1', '--url', secure])
  assert.equal(await stranger.ended, 1)
  assert.match(stranger.err.join('\n'), /^TERMINAL_UNREACHABLE: No connection: .*certificate/)

  const [, ca = '', , mine = ''] = files
  for (const [given, expected] of [
    [{ cafile: ca, url: 'mqtt://localhost' }, /--cafile needs an address that begins with mqtts or wss\./],
    [{ cert: mine, url: secure }, /--cert and --key go together\./],
    [{ cafile: await file('none.crt', 'no certificate'), url: secure }, /--cafile cannot be read: /],
    [{ cert: mine, key: join(folder, 'ca.key'), url: secure }, /TLS does not take these files: /]
  ] as const) assert.throws(() => addressOf(given), expected)
  assert.equal(addressOf({ cafile: ca, host: 'localhost', port: '1' }).url, 'mqtts://localhost:1')
})

test('--watch into a pipe is a line for each message, and no character that a terminal would obey', async t => {
  const broker = await startBroker(t)
  const watching = await run(t, ['--watch', '--url', broker.url])
  const json = await run(t, ['--watch', '--json', '--url', broker.url])
  const publisher = await connectAsync(broker.url)
  t.after(() => publisher.endAsync())
  const agent = makeAgent(t, { mqtt: { url: broker.url }, uuid: 'u1', name: 'Roof \x1b[2J', interval: 50 }).addMetric('load', () => 1.5).addMetric('door\x9b31m', () => 'open\x07')
  await agent.connect()
  assert.match(await watching.line(/ load /), /^\d{4}-\d\d-\d\dT[\d:.]+Z Roof \uFFFD\[2J \(u1\) load 1\.5 · door\uFFFD31m "open\\u0007"$/)
  assert.match(await json.line(/"load"/), /^\{"topic":"agent\/message","payload":\{"agent":\{"uuid":"u1","name":"Roof \\u001b\[2J",.+"type":"door\\u009b31m"/)
  await agent.disconnect()
  await watching.line(/ u1 disconnected$/)
  await publisher.publishAsync('agent/disconnected', '{"agent":{"uuid":"u2","name":null,"hostname":{"length":1}}}')
  await watching.line(/ u2 disconnected$/)
  for (const { child, ended, out, err } of [watching, json]) {
    child.kill('SIGTERM')
    assert.equal(await ended, 0)
    assert.deepEqual(err, [])
    assert.doesNotMatch(out.join(''), /\p{Cc}/u)
  }
})

// https://github.com/pinkywafer/PinkyLEDs/issues/6: what a device said when it came is retained, and that it went is not.
test('--watch does not show what a foreign broker retained of agents as if they had just said it', { skip: withoutMosquitto }, async t => {
  const { port } = await openMosquitto(t)
  const device = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0 })
  t.after(() => { device.end(true) })
  const send = async (topic: string, payload: object): Promise<unknown> => await device.publishAsync(topic, JSON.stringify(payload), { qos: 1, retain: true })
  await send('agent/connected', { agent: { uuid: 'gone' } })
  await send('agent/message', { agent: { uuid: 'gone' }, metrics: [{ type: 'a', value: 1 }] })
  const watching = await run(t, ['--watch', '--url', `mqtt://127.0.0.1:${port}`])
  await until(async () => {
    await send('agent/message', { agent: { uuid: 'here' }, metrics: [{ type: 'a', value: 2 }] })
    return watching.out.length
  }, count => count > 0)
  for (const line of watching.out) assert.match(line, / here a 2$/)
})

test('--watch says once that no broker answers, and goes on when one does', async t => {
  const gone = await startBroker(t)
  await gone.stop()
  const watching = await run(t, ['--watch', '--url', gone.url])
  await watching.line(/^not connected: connect ECONNREFUSED/)
  const broker = await startBroker(t, {}, gone.port)
  const agent = makeAgent(t, { mqtt: { url: broker.url }, interval: 50 }).addMetric('load', () => 1.5)
  await agent.connect()
  await watching.line(/ load /)
  assert.equal(watching.err.length, 1)
})

test('--watch says when the rules do not let it listen', async t => {
  const broker = await startBroker(t, { authorizeSubscribe: (_client, _subscription, callback) => callback(null, null) })
  const watching = await run(t, ['--watch', '--url', broker.url])
  await watching.line(/^the broker does not let this user hear the agents$/)
})

test('pub and sub do as those of Mosquitto', async t => {
  const broker = await openBroker(t)
  const port = String(broker.port)
  const sub = await run(t, ['sub', '-h', 'localhost', '-p', port, '-t', 'a/#', '-t', 'b', '-q', '1', '-v', '-C', '4'])
  await until(() => broker.events.some(({ event }) => event === 'subscribed'), Boolean)
  for (const args of [['-t', 'a/b', '-m', 'one'], ['-t', 'b', '-m', 'two', '-q', '2'], ['-t', 'a', '-n'], ['-t', 'a/kept', '-r', '-q', '1', '-m', 'three\nlines']]) {
    const pub = await run(t, ['pub', '-h', '127.0.0.1', '-p', port, ...args])
    assert.equal(await pub.ended, 0, pub.err.join())
    assert.deepEqual([pub.out, pub.err], [[], []])
  }
  assert.equal(await sub.ended, 0)
  assert.deepEqual(sub.out, ['a/b one', 'b two', 'a ', 'a/kept three', 'lines'])
  const json = await run(t, ['sub', '--url', broker.url, '-t', 'a/kept', '-C', '1', '--json'])
  assert.equal(await json.ended, 0)
  assert.deepEqual(json.out, ['{"topic":"a/kept","payload":"three\\nlines","qos":0,"retain":true}'])
})

test('a pipe gets the bytes of a thousand topics as they are, JSON has those that are no text in base64, and nothing is said to a reader that is gone', async t => {
  const broker = await openBroker(t)
  const client = await broker.client()
  const payloads = Array.from({ length: 1000 }, (_, i) => Buffer.from([0, 255, i & 255]))
  for (const [i, payload] of payloads.entries()) await client.publishAsync(`many/t${i}`, payload, { qos: 1, retain: true })
  const every = ['sub', '--url', broker.url, '-t', 'many/#']
  const [raw, json] = [await run(t, [...every, '-C', '1000']), await run(t, [...every, '-C', '1000', '--json'])]
  const bytes = buffer(raw.child.stdout)
  assert.equal(await raw.ended, 0)
  const same = (parts: Buffer[]): string => Buffer.concat(parts).toString('hex')
  assert.equal((await bytes).toString('hex'), same(payloads.flatMap(payload => [payload, Buffer.from('\n')])))
  assert.equal(await json.ended, 0)
  assert.equal(same(json.out.map(line => Buffer.from(JSON.parse(line).base64, 'base64'))), same(payloads))

  const headless = await run(t, every)
  headless.child.stdout.destroy()
  assert.equal(await headless.ended, 0)
  assert.deepEqual(headless.err, [])
})

for (const speaks of [5, 4] as const) {
  test(`pub, sub and --watch speak MQTT 5, and 3.1.1 where the broker does not: one of ${speaks}`, async t => {
    const broker = await scriptedBroker(t, peer => {
      if (peer.version <= speaks) {
        answers(peer, { sessionPresent: false })
        peer.on(({ cmd }) => { if (cmd === 'subscribe') peer.send({ cmd: 'publish', topic: 'a', payload: '1', qos: 0, retain: false, dup: false }) })
        return
      }
      peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 1, reasonCode: 1 })
      peer.socket.end()
    })
    const tried = speaks === 5 ? [5] : [5, 4]
    const pub = await run(t, ['pub', '--url', broker.url, '-t', 'a', '-m', '1', '-q', '1'])
    assert.deepEqual([await pub.ended, pub.err], [0, []])
    assert.deepEqual(broker.consumers.splice(0).map(({ version }) => version), tried)
    const sub = await run(t, ['sub', '--url', broker.url, '-t', 'a', '-C', '1'])
    assert.deepEqual([await sub.ended, sub.out, sub.err], [0, ['1'], []])
    assert.deepEqual(broker.consumers.splice(0).map(({ version }) => version), tried)
    const watch = await run(t, ['--watch', '--url', broker.url])
    await until(() => broker.consumers, consumers => consumers.at(-1)?.got.some(({ cmd }) => cmd === 'subscribe') === true)
    assert.deepEqual(watch.err, [])
    assert.deepEqual(broker.consumers.map(({ version }) => version), tried)
  })
}

test('pub ends with 1 where a broker that speaks MQTT 5 refuses the message, and says why', async t => {
  const broker = await scriptedBroker(t, peer => {
    peer.send({ cmd: 'connack', sessionPresent: false, returnCode: 0, reasonCode: 0, properties: {} })
    peer.on(({ cmd, messageId }) => { if (cmd === 'publish') peer.send({ cmd: 'puback', messageId, reasonCode: 0x87, properties: {} }) })
  })
  const pub = await run(t, ['pub', '--url', broker.url, '-t', 'a', '-m', '1', '-q', '1'])
  assert.equal(await pub.ended, 1)
  assert.match(pub.err.join('\n'), /^TERMINAL_PUBLISH_REFUSED: .*The broker refused a message: not authorized\./)
})

test('pub reads standard input, as one message or line by line', async t => {
  const broker = await openBroker(t)
  const heard: string[] = []
  const client = await broker.client()
  client.on('message', (_topic, payload) => { heard.push(String(payload)) })
  await client.subscribeAsync('in', { qos: 1 })
  for (const way of ['-s', '-l']) {
    const pub = await run(t, ['pub', '--url', broker.url, '-t', 'in', '-q', '1', way])
    pub.child.stdin.end('one\ntwo\n')
    assert.equal(await pub.ended, 0, pub.err.join())
  }
  await until(() => heard, heard => heard.length === 3)
  assert.deepEqual(heard, ['one\ntwo\n', 'one', 'two'])
})

test('pub refuses more than a message of MQTT may have, before it fills the memory', async t => {
  const pub = await run(t, ['pub', '-t', 'a/file', '-s'])
  pub.child.stdin.on('error', () => undefined)
  const megabyte = Buffer.alloc(2 ** 20)
  const feed = (): void => { while (pub.child.stdin.writable && pub.child.stdin.write(megabyte)); }
  pub.child.stdin.on('drain', feed)
  feed()
  assert.equal(await pub.ended, 2)
  assert.match(pub.err.join('\n'), /^TERMINAL_OPTION_INVALID: .*256 MB/)
})

for (const args of [['sub', '-t', 'agent/#'], ['--watch', '--json']]) {
  test(`${args.join(' ')} into a pipe that nobody reads keeps its size, and ends when it is told to`, { skip: process.platform !== 'linux' && 'reads /proc' }, async t => {
    const broker = await openBroker(t, { limits: { messageRate: 0, byteRate: 0 } })
    const { child, ended } = await run(t, [...args, '--url', broker.url])
    const publisher = await broker.client()
    const message = JSON.stringify({ agent: { uuid: 'press' }, metrics: [{ type: 'a', value: 1 }], note: 'x'.repeat(200_000) })
    const heard = once(child.stdout, 'data')
    const timer = setInterval(() => { publisher.publish('agent/message', message) }, 100)
    await heard
    clearInterval(timer)
    child.stdout.pause()
    const megabytes = async (): Promise<number> => Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${child.pid}/status`, 'utf8'))?.[1]) / 1024
    const before = await megabytes()
    for (let i = 0; i < 600; i++) await publisher.publishAsync('agent/message', message, { qos: 1 })
    const after = await megabytes()
    assert.ok(after - before < 60, `${before.toFixed()} MB before and ${after.toFixed()} MB after 120 MB`)
    child.kill('SIGTERM')
    child.once('exit', () => { child.stdout.resume() })
    assert.equal(await ended, 0)
  })
}

test('sub ends with 27 when its time is over, and 1 where it may not subscribe or nobody answers', async t => {
  const broker = await openBroker(t, { rules: [{ subject: 'everyone', access: 'readwrite', topic: 'open/#' }] })
  const timed = await run(t, ['sub', '--url', broker.url, '-t', 'open/a', '-W', '1'])
  assert.equal(await timed.ended, 27)
  const refused = await run(t, ['sub', '--url', broker.url, '-t', 'closed/a'])
  assert.equal(await refused.ended, 1)
  assert.match(refused.err.join(), /^TERMINAL_SUBSCRIPTION_REFUSED: The broker refused closed\/a\. Check what the rules/)
  const partly = await run(t, ['sub', '--url', broker.url, '-t', 'closed/a', '-t', 'open/a', '-C', '1'])
  await partly.line(/^TERMINAL_SUBSCRIPTION_REFUSED: The broker refused closed\/a\./)
  await run(t, ['pub', '--url', broker.url, '-t', 'open/a', '-m', 'x'])
  assert.equal(await partly.ended, 0)
  for (const args of [['sub', '-p', '1', '-t', 'a'], ['pub', '-p', '1', '-t', 'a', '-m', 'x']]) {
    const { ended, err } = await run(t, args)
    assert.equal(await ended, 1)
    assert.match(err.join('\n'), /^TERMINAL_UNREACHABLE: No connection: connect ECONNREFUSED/)
  }
})

test('user and password log in, the password better from the environment', async t => {
  const broker = await openBroker(t, { users: [{ username: 'ana', hash: await hashPassword('secret') }] })
  const address = ['-p', String(broker.port), '-t', 'a', '-m', 'x']
  assert.equal(await (await run(t, ['pub', ...address, '-u', 'ana', '-P', 'secret'])).ended, 0)
  assert.equal(await (await run(t, ['pub', ...address, '-u', 'ana'], { PLATZIVERSE_PASSWORD: 'secret' })).ended, 0)
  const wrong = await run(t, ['pub', ...address, '-u', 'ana', '-P', 'wrong'])
  assert.equal(await wrong.ended, 1)
  assert.match(wrong.err.join(), /^TERMINAL_UNREACHABLE: No connection: .*(?:password|authorized)/i)
})

for (const args of [
  ['pub'], ['pub', '-t', 'a/#', '-m', 'x'], ['pub', '-t', 'a'], ['pub', '-t', 'a', '-m', 'x', '-n'], ['pub', '-t', 'a', '-m', 'x', '-q', '3'], ['pub', '-t', 'a', '-m', 'x', '-p', '0'],
  ['pub', '-t', 'a', '-m', 'x', '-P', 'secret'], ['pub', '-t', 'a', '-m', 'x', '--url', 'http://x'], ['pub', '-t', 'a', '-m', 'x', '--cafile', '/nowhere'],
  ['sub'], ['sub', '-t', 'a#'], ['sub', '-t', 'a', '-C', '0'], ['sub', '-t', 'a', 'b'], ['--json'], ['--watch', '--once'], ['--watch', '--url', 'nowhere']
]) {
  test(`${args.join(' ')} ends with 2 and a coded sentence`, async t => {
    const { ended, err } = await run(t, args)
    assert.equal(await ended, 2)
    assert.match(err.join('\n'), /^TERMINAL_OPTION_INVALID: .+\. Correct the named option; --help explains them\.$/)
  })
}

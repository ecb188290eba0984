import assert from 'node:assert/strict'
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import knexFactory, { type Knex } from 'knex'
import { until } from './helpers/events.ts'
import { temporaryFolder } from './helpers/folder.ts'
import { exampleFlow } from './helpers/main-flow.ts'
import { freePort, packageDir, startNodeRed, skipWithoutNodeRed } from './helpers/node-red.ts'
import { openPage, withoutPrograms } from './helpers/pages.ts'
import { pythonWithPaho, withoutPaho } from './helpers/programs-of-mqtt5.ts'

const page = await openPage('devices.md')

/** umqtt, the board and its clock, as MicroPython documents them, by paho. */
const board = {
  'machine.py': 'unique_id = lambda: bytes([0x24, 0x0a, 0xc4])\n',
  'ntptime.py': 'settime = lambda: None\n',
  'umqtt/__init__.py': '',
  'umqtt/simple.py': `import paho.mqtt.client as mqtt
class MQTTClient:
    def __init__(self, client_id, server, port=0, user=None, password=None, keepalive=0, ssl=None):
        version = {'callback_api_version': mqtt.CallbackAPIVersion.VERSION2} if hasattr(mqtt, 'CallbackAPIVersion') else {}
        self.client, self.server, self.port, self.keepalive = mqtt.Client(client_id=client_id, **version), server, port, keepalive
    def set_last_will(self, topic, msg, retain=False, qos=0):
        self.client.will_set(topic, msg, qos, retain)
    def connect(self, clean_session=True):
        self.client.connect(self.server, self.port, self.keepalive)
        self.client.loop_start()
    def publish(self, topic, msg, retain=False, qos=0):
        self.client.publish(topic, msg, qos, retain).wait_for_publish()
`
}

interface Sender { heading: string, file: string, uuid: string, skip: string | false, command: (file: string, port: number) => [string, ...string[]] }

const senders: Sender[] = [
  { heading: 'Shell', file: 'sender.sh', uuid: 'a-shell', skip: withoutPrograms(['mosquitto_pub'], 'mosquitto-clients'), command: file => ['sh', file, 'a-shell'] },
  { heading: 'Python', file: 'sender.py', uuid: 'a-python', skip: withoutPaho, command: file => [pythonWithPaho, file, 'a-python'] },
  { heading: 'Node.js', file: 'sender.mjs', uuid: 'a-node', skip: false, command: file => [process.execPath, file, 'a-node'] },
  {
    heading: 'MicroPython', file: 'sketch.py', uuid: 'esp32-240ac4', skip: withoutPaho,
    command: (_file, port) => [pythonWithPaho, '-c', `import sketch; sketch.run('127.0.0.1', ${port}, 1)`]
  }
]

/** Starts one in a process group of its own: the shell's has several processes. */
function start (t: TestContext, [program, ...args]: [string, ...string[]], cwd: string, port: number): ChildProcess {
  const child = spawn(program, args, { cwd, detached: true, stdio: ['ignore', 'inherit', 'inherit'], env: { ...process.env, HOST: '127.0.0.1', PORT: String(port), EVERY: '0.3', PYTHONDONTWRITEBYTECODE: '1' } })
  t.after(() => { kill(child) })
  return child
}

function kill ({ pid = 0 }: ChildProcess): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch { /* it has ended */ }
}

test('the senders of docs/devices.md are stored, there while they run, and gone when they are killed', { skip: skipWithoutNodeRed(5) }, async t => {
  const folder = await temporaryFolder(t)
  for (const [name, text] of Object.entries(board)) {
    await mkdir(join(folder, name, '..'), { recursive: true })
    await writeFile(join(folder, name), text)
  }
  await symlink(join(packageDir, 'node_modules'), join(folder, 'node_modules'), 'junction')
  const port = await freePort()
  const nodeRed = await startNodeRed({ flows: await exampleFlow('Monitor agents', { 'platziverse-broker': { port } }, ['platziverse-agent', 'debug']) })
  t.after(() => nodeRed.stop())
  const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(nodeRed.userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  // Node-RED says that its flows have started before the database is open.
  await until(() => metricsOf(knex, '').then(() => true, () => false), there => there)
  const connected = async (uuid: string): Promise<boolean | undefined> => {
    const row = await knex('agents').where({ uuid }).first<{ connected: number } | undefined>('connected')
    return row && row.connected === 1
  }
  for (const { heading, file, uuid, skip, command } of senders) {
    await t.test(heading, { skip }, async t => {
      const path = join(folder, file)
      await writeFile(path, page.file(heading))
      const started = Date.now()
      const child = start(t, command(path, port), folder, port)
      // Two, which a sender whose first message failed does not reach.
      const rows = await until(() => metricsOf(knex, uuid), rows => rows.length >= 2)
      assert.ok(rows.every(({ type, value, ts }) => type === 'temperature' && value > 0 && value < 120 && Math.abs(ts - started) < 60_000), JSON.stringify(rows))
      assert.equal(await connected(uuid), true)
      kill(child)
      await until(() => connected(uuid), is => is === false)
    })
  }
})

test('the sender of docs/devices.md for the shell is one for any sh', { skip: withoutPrograms(['dash'], 'dash') }, () => {
  assert.equal(spawnSync('dash', ['-n'], { input: page.file('Shell'), encoding: 'utf8' }).stderr, '')
})

function metricsOf (knex: Knex, agent: string): Promise<Array<{ type: string, value: number, ts: number }>> {
  return knex('platziverse_metrics').where({ agent }).select('type', 'value', 'ts')
}

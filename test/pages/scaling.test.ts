import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect, connectAsync } from 'mqtt'
import { parse } from '../../lib/messages/parse.ts'
import { dockerFolder } from '../helpers/dockerfile.ts'
import { until } from '../helpers/events.ts'
import { withoutMosquitto } from '../helpers/mosquitto.ts'
import { freePort } from '../helpers/node-red.ts'
import { openPage, openShell, withoutPrograms } from '../helpers/pages.ts'
import { systemPath } from '../helpers/system-path.ts'

const page = await openPage('scaling.md')
const script = page.commands('Mosquitto').join('')

/** What Debian's package has in its own file. */
const debian = 'persistence true\npersistence_location /var/lib/mosquitto/\ninclude_dir /etc/mosquitto/conf.d\n'

test('the file for Debian is that of the containers, but for what Debian says itself', async () => {
  const settings = (text: string): string[] => text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  const ours = settings(await readFile(join(dockerFolder, 'mosquitto.conf'), 'utf8')).filter(line => !line.startsWith('persistence'))
  const [, written = ''] = /<<'END'\n([^]*?)END\n/.exec(script) ?? []
  assert.deepEqual(settings(written), ours.map(line => line.replace('/mosquitto/data/', '/etc/mosquitto/')))
})

test('the commands for Debian start a Mosquitto that lets in a worker and an agent, and keeps what waits for a worker over a restart', { skip: withoutMosquitto || withoutPrograms(['mosquitto_pub'], 'mosquitto-clients') }, async t => {
  const shell = await openShell(t)
  const root = join(shell.home, 'root')
  const port = await freePort()
  const here = (text: string): string => text.replaceAll(/(?<![\w.])\/(?=(?:etc|var\/lib)\/mosquitto)/g, `${root}/`).replace('listener 1883', `listener ${port} 127.0.0.1`)
  await Promise.all(['etc/mosquitto/conf.d', 'var/lib/mosquitto'].map(folder => mkdir(join(root, folder), { recursive: true })))
  await writeFile(join(root, 'etc/mosquitto/mosquitto.conf'), here(debian))
  // Started as root, Mosquitto becomes another user.
  await shell.run(`chmod 755 ~ && chmod -R 777 ${root}`)
  if (userInfo().uid !== 0) await shell.program('chown', '')
  let server = spawn('true')
  const restart = async (): Promise<string> => {
    if (server.exitCode === null) {
      const gone = once(server, 'exit')
      server.kill('SIGTERM')
      await gone
    }
    let log = ''
    server = spawn('mosquitto', ['-c', join(root, 'etc/mosquitto/mosquitto.conf')], { env: { ...shell.env, PATH: systemPath }, stdio: 'pipe' })
    server.stderr.setEncoding('utf8').on('data', (text: string) => { log += text })
    await until(() => log, text => / running/.test(text) || server.exitCode !== null, 20_000)
    assert.equal(server.exitCode, null, log)
    return ''
  }
  t.after(() => { server.kill('SIGKILL') })
  const asked: string[] = []
  await shell.standIn('apt-get', args => { asked.push(args.join(' ')); return '' })
  await shell.standIn('systemctl', args => { asked.push(args.join(' ')); return restart() })
  await shell.run(here(script))
  assert.deepEqual(asked, ['install mosquitto', 'restart mosquitto'])

  const comesIn = (options: object): ReturnType<typeof connectAsync> => connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, protocolVersion: 5, ...options })
  await assert.rejects(comesIn({}))
  const login = { username: 'worker', password: 'a password of its own', clientId: 'worker-1', clean: false, properties: { sessionExpiryInterval: 3600 } }
  const worker = await comesIn(login)
  await worker.subscribeAsync('agent/+', { qos: 1 })
  await worker.endAsync()
  const reading = page.commands('Step by step').join('')
  await shell.run(reading.replace('-h 192.0.2.1', `-h 127.0.0.1 -p ${port}`).replace('its password', 'and another one'))
  const agent = await comesIn({ username: 'sensor-01', password: 'and another one' })
  for (let i = 0; i < 1_200; i++) await agent.publishAsync('agent/message', String(i), { qos: 1 })
  await agent.endAsync()
  await restart()
  const got: string[] = []
  // What waits comes at once: there has to be somebody to take it before it connects.
  const back = connect(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, protocolVersion: 5, ...login })
  back.on('message', (_topic, payload) => { got.push(String(payload)) })
  await until(() => got.length, count => count === 1_201)
  assert.ok(parse('agent/message', got[0], Date.now()).ok)
  await back.endAsync()
})

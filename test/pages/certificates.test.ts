import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect } from 'node:tls'
import knexFactory from 'knex'
import { until } from '../helpers/events.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, packageDir, startNodeRed, type NodeRed } from '../helpers/node-red.ts'
import { openPage, openShell, withoutPrograms } from '../helpers/pages.ts'

const page = await openPage('certificates.md')
const skip = withoutPrograms(['openssl', 'mosquitto_pub'], 'openssl mosquitto-clients')

/** The certificate that a listener shows now. */
async function shown (port: number, ca: string): Promise<X509Certificate | undefined> {
  const socket = connect({ port, host: '127.0.0.1', ca, servername: 'localhost' })
  try {
    await once(socket, 'secureConnect')
    return socket.getPeerX509Certificate()
  } finally {
    socket.destroy()
  }
}

/** A hash of a password as the form asks for it. */
async function hashed (nodeRed: NodeRed, password: string): Promise<string> {
  const { hash } = await nodeRed.api<{ hash: string }>('platziverse/broker/hash', { body: { password } })
  return hash
}

test('certificates made as the page says let clients in, and nobody else, and are renewed', { skip }, async t => {
  const shell = await openShell(t)
  for (const heading of ['An authority', 'The broker\'s certificate', 'A certificate for a client']) {
    for (const script of page.commands(heading)) await shell.run(script)
  }
  const at = (name: string): string => join(shell.home, 'certificates', name)
  const ca = await readFile(at('ca.crt'), 'utf8')
  const server = new X509Certificate(await readFile(at('server.crt')))
  assert.equal(server.subjectAltName, 'DNS:broker.local, DNS:localhost, IP Address:192.0.2.20, IP Address:127.0.0.1')
  assert.ok(!server.ca && new X509Certificate(ca).ca)
  for (const key of ['ca', 'server', 'sensor-01']) assert.equal((await stat(at(`${key}.key`))).mode & 0o077, 0, `${key}.key is its owner's`)

  const [port, withPassword, withCertificate] = [await freePort(), await freePort(), await freePort()]
  const flows = await exampleFlow('Monitor agents', {
    'platziverse-broker': {
      port,
      tls: 'certificates',
      userCount: 1,
      listeners: [
        { transport: 'tls', host: '', port: withPassword, path: '', certificates: 'none' },
        { transport: 'tls', host: '', port: withCertificate, path: '', certificates: 'username' }
      ]
    }
  }, ['platziverse-agent', 'debug'])
  const broker = flows.find(({ type }) => type === 'platziverse-broker')!
  flows.push({ id: 'certificates', type: 'tls-config', cert: at('server.crt'), key: at('server.key'), ca: at('ca.crt'), certname: '', keyname: '', caname: '', servername: '', verifyservercert: true })
  const nodeRed = await startNodeRed()
  t.after(() => nodeRed.stop())
  broker['credentials'] = { users: JSON.stringify([{ username: 'kitchen', hash: await hashed(nodeRed, 'secret') }]) }
  await nodeRed.deploy(flows)

  const { bin } = JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8')) as { bin: Record<string, string> }
  const command = join(packageDir, bin['platziverse-agent'] ?? '')
  const here = (script: string): string => script.replaceAll('8883', String(withPassword)).replaceAll('8884', String(withCertificate))
    .replace(' platziverse-agent ', ` ${process.execPath} ${command} `)
  const [connects = ''] = page.commands('Connect').map(here)
  await shell.run(connects)
  const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(nodeRed.userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  const stored = await knex('series').join('agents', 'agents.id', 'agent_id').where('type', 'temperature').orderBy('uuid').select('uuid', 'last_value')
  assert.deepEqual(stored, [{ uuid: 'kitchen', last_value: 21.5 }, { uuid: 'sensor-01', last_value: 19 }])
  assert.ok((await knex('series').where('type', 'cpuLoad')).length === 1, 'the command reported')

  const withoutItsCertificate = connects.split('\n').filter(line => line.includes('sensor-01.crt')).join('\n').replace('--cert sensor-01.crt --key sensor-01.key', '')
  await assert.rejects(shell.run(`cd ~/certificates\n${withoutItsCertificate}`))

  const before = await shown(withPassword, ca)
  assert.ok(before !== undefined)
  for (const script of page.commands('Renew')) await shell.run(script)
  await nodeRed.deploy(flows, 'reload')
  // A deploy is answered before its certificates are in force.
  await until(() => shown(withPassword, ca), renewed => renewed !== undefined && renewed.serialNumber !== before.serialNumber)
  await shell.run(connects)

  broker['rules'] = [{ subject: 'everyone', username: '', access: 'readwrite', topic: '#' }, { subject: 'user', username: 'sensor-01', access: 'deny', topic: '#' }]
  await nodeRed.deploy(flows)
  await knex('metrics').delete()
  await shell.run(connects)
  assert.deepEqual(await knex('metrics').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id').where('type', 'temperature').pluck('uuid'), ['kitchen'])
})

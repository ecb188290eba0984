import { spawnSync } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { startCluster, type BrokerCluster } from './broker-cluster.ts'
import { temporaryFolder } from './folder.ts'
import { freePort, skipped } from './node-red.ts'
import { systemPath } from './system-path.ts'

const program = process.platform === 'win32' ? 'nats-server.exe' : 'nats-server'
const environment = { ...process.env, PATH: systemPath }

/** What `{ skip }` of a test that needs a real NATS takes. */
export const withoutNats: string | false = spawnSync(program, ['--version'], { env: environment }).error === undefined
  ? false
  : skipped('nats-server is not here: install NATS 2.9 or later (on Debian: apt-get install nats-server)')

/**
 * A real NATS with JetStream on free ports of loopback, stopped after the test.
 * @param mqtt lines of its block `mqtt`
 */
export async function openNats (t: Pick<TestContext, 'after'>, { nodes = 1, mqtt = '' } = {}): Promise<BrokerCluster> {
  const folder = await temporaryFolder(t)
  const ports: Array<{ nats: number, mqtt: number, cluster: number }> = []
  for (let node = 0; node < nodes; node++) ports.push({ nats: await freePort(), mqtt: await freePort(), cluster: await freePort() })
  const routes = ports.map(({ cluster }) => `nats://127.0.0.1:${cluster}`).join(', ')
  const files = await Promise.all(ports.map(async (port, index) => {
    const store = join(folder, `node-${index}`)
    await mkdir(store)
    const file = join(folder, `node-${index}.conf`)
    await writeFile(file, [
      `server_name: node-${index}`,
      `listen: 127.0.0.1:${port.nats}`,
      `jetstream { store_dir: "${store}", max_mem: 64M, max_file: 512M }`,
      `mqtt { host: 127.0.0.1, port: ${port.mqtt}\n${mqtt} }`,
      ...nodes > 1 ? [`cluster { name: platziverse, listen: 127.0.0.1:${port.cluster}, routes: [${routes}] }`] : []
    ].join('\n'))
    return file
  }))
  return startCluster(t, 'NATS', files.map((file, index) => ({
    program, arguments: ['-c', file], options: { env: environment }, ready: /Server is ready/, port: ports[index]?.mqtt as number
  })))
}

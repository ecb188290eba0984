import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { startCluster, type BrokerCluster } from './broker-cluster.ts'
import { temporaryFolder } from './folder.ts'
import { freePort, skipped } from './node-red.ts'

/** The scripts themselves: those on the PATH become another user and use the machine's own folders. */
const programs = ['/usr/lib/rabbitmq/bin', '/opt/homebrew/sbin', '/usr/local/sbin'].find(folder => existsSync(join(folder, 'rabbitmq-server')))

/** What `{ skip }` of a test that needs a real RabbitMQ takes. */
export const withoutRabbitmq: string | false = programs !== undefined
  ? false
  : skipped('RabbitMQ is not here: install RabbitMQ 3.10 or later (on Debian: apt-get install rabbitmq-server)')

/**
 * A real RabbitMQ with its MQTT plugin on free ports of loopback, stopped after the test, with the epmd that is its own.
 * Kept sessions are quorum queues where there are three nodes.
 * @param configuration lines of its rabbitmq.conf
 */
export async function openRabbitmq (t: Pick<TestContext, 'after'>, { nodes = 1, configuration = '' } = {}): Promise<BrokerCluster> {
  const folder = await temporaryFolder(t)
  const epmdPort = await freePort()
  const epmd = spawn('epmd', ['-address', '127.0.0.1', '-port', String(epmdPort)], { stdio: 'ignore' })
  const killOnExit = (): void => { epmd.kill('SIGKILL') }
  process.once('exit', killOnExit)
  t.after(() => {
    // After the nodes.
    t.after(async () => {
      process.off('exit', killOnExit)
      if (epmd.exitCode !== null) return
      const gone = once(epmd, 'exit')
      epmd.kill('SIGKILL')
      await gone
    })
  })

  const names = Array.from({ length: nodes }, (_, index) => `node${index}@localhost`)
  const plugins = join(folder, 'enabled_plugins')
  await writeFile(plugins, '[rabbitmq_mqtt].\n')
  await writeFile(join(folder, '.erlang.cookie'), 'PLATZIVERSE', { mode: 0o400 })
  const processes = []
  for (const [index, name] of names.entries()) {
    const own = join(folder, `node-${index}`)
    await mkdir(own)
    const port = await freePort()
    const file = join(own, 'rabbitmq.conf')
    await writeFile(file, [
      `listeners.tcp.1 = 127.0.0.1:${await freePort()}`,
      `mqtt.listeners.tcp.1 = 127.0.0.1:${port}`,
      'mqtt.allow_anonymous = true',
      'disk_free_limit.absolute = 50MB',
      ...nodes < 3 ? [] : ['mqtt.durable_queue_type = quorum'],
      ...nodes === 1 ? [] : ['cluster_formation.peer_discovery_backend = classic_config', ...names.map((peer, peerIndex) => `cluster_formation.classic_config.nodes.${peerIndex + 1} = ${peer}`)],
      configuration
    ].join('\n'))
    processes.push({
      program: join(programs as string, 'rabbitmq-server'),
      arguments: [],
      ready: /Server startup complete/,
      port,
      options: {
        cwd: own,
        env: {
          ...process.env,
          HOME: folder,
          ERL_EPMD_PORT: String(epmdPort),
          ERL_EPMD_ADDRESS: '127.0.0.1',
          RABBITMQ_CONF_ENV_FILE: join(own, 'none.conf'),
          RABBITMQ_CONFIG_FILE: file,
          RABBITMQ_ADVANCED_CONFIG_FILE: join(own, 'none.config'),
          RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
          RABBITMQ_NODENAME: name,
          RABBITMQ_DIST_PORT: String(await freePort()),
          RABBITMQ_MNESIA_BASE: join(own, 'mnesia'),
          RABBITMQ_GENERATED_CONFIG_DIR: join(own, 'generated'),
          RABBITMQ_PID_FILE: join(own, 'pid'),
          RABBITMQ_FEATURE_FLAGS_FILE: join(own, 'feature_flags'),
          RABBITMQ_LOG_BASE: own,
          RABBITMQ_LOGS: '-',
          // One scheduler a node: three of them share a small machine with the test.
          RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 1:1 +A 4 -kernel inet_dist_use_interface {127,0,0,1}'
        }
      }
    })
  }
  // Those that start at once now and then make a Raft group each for the client ids, and take no clients.
  return startCluster(t, 'RabbitMQ', processes, { oneByOne: true })
}

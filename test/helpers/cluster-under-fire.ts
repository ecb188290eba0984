import type { TestContext } from 'node:test'
import type { BrokerCluster } from './broker-cluster.ts'
import { files, type Database } from './databases.ts'
import { until } from './events.ts'
import { remoteOptions } from './remote-broker.ts'
import { assertStoredOnce, Sender } from './sender.ts'
import { openWorker } from './worker.ts'

/** Messages that are acknowledged before each death, and after it. */
const between = 200

export interface UnderFire {
  /** Of agents, by the cluster. */
  acknowledged: number
  /** Connections that agents lost. */
  losses: number
  /** Of the worker. */
  connections: number
  /** Messages that the database had already. */
  duplicates: number
}

/**
 * Nodes of a cluster die one after the other, under load: whatever agents have an acknowledgement for is in the worker's database, once.
 * @param deaths of which nodes; each but the last is restarted
 */
export async function underFire (t: TestContext, { ports, kill, restart }: BrokerCluster, deaths: number[]): Promise<UnderFire> {
  const database = await (files[0] as Database).open(t)
  const urls = ports.map(port => `mqtt://127.0.0.1:${port}`)
  const worker = await openWorker(t, remoteOptions(urls.join(' '), { group: '' }), database)
  let turn = 0
  const senders = Array.from({ length: 2 }, (_, i) => new Sender(`agent-${i}`, () => urls[turn++ % urls.length] as string))
  t.after(() => { for (const sender of senders) sender.vanish() })
  const acknowledged = (): number => senders.reduce((sum, { acknowledged }) => sum + acknowledged.size, 0)
  const more = (): Promise<number> => {
    const enough = acknowledged() + between
    return until(acknowledged, count => count >= enough, 60_000)
  }
  const running = senders.map(sender => sender.run())
  for (const [i, node] of deaths.entries()) {
    if (i > 0) await restart(deaths[i - 1] as number)
    await more()
    await kill(node)
    await more()
  }
  await Promise.all(senders.map(sender => sender.stop()))
  await Promise.all(running)
  // Two metrics a message.
  await until(() => worker.store.statistics(), ({ metrics, duplicates }) => metrics - duplicates >= acknowledged() * 2, 60_000)
  for (const sender of senders) await assertStoredOnce(database.query, sender)
  return {
    acknowledged: acknowledged(),
    losses: senders.reduce((sum, { losses }) => sum + losses, 0),
    connections: worker.place.statistics().connections,
    duplicates: worker.store.statistics().duplicates
  }
}

import { setTimeout as pause } from 'node:timers/promises'
import { openClient, subscribe } from '../client.ts'
import { openLedger } from '../ledger.ts'
import { runPublisher } from '../publisher.ts'
import { between, randomOf } from '../random.ts'
import { serve } from '../actor.ts'

/** Every now and then: ten subscribers of `agent/#` whose sockets are cut while twenty agents publish as fast as they may. */

export interface StormsOrder {
  port: number
  topics: string[]
  seed: number
  ledger: string
  patience: number
  announces: boolean
  /** Seconds between two storms, and of one. */
  every: number
  length: number
}

export interface StormsReport {
  /** From the first message until the subscribers were cut off, ms since 1970. */
  times: Array<{ from: number, to: number }>
  sent: number
  open: number
}

const agents = 20
const subscribers = 10
const window = 50

await serve<StormsOrder>(async ({ order, stopping, answer }) => {
  const { port } = order
  const random = randomOf(order.seed)
  const ledger = openLedger(order.ledger)
  const report: StormsReport = { times: [], sent: 0, open: 0 }
  answer(() => report)

  for (let number = 0; ; number += agents) {
    await pause(order.every * 1000 * between(random, 0.7, 1.3), undefined, { signal: stopping }).catch(() => undefined)
    if (stopping.aborted) break
    const ears = await Promise.all(Array.from({ length: subscribers }, (_, i) => openClient({ port, clientId: `chaos-ear-${i}`, localAddress: '127.0.2.1' })))
    for (const ear of ears) ear?.send(subscribe('agent/#', 0))
    const from = Date.now()
    const calm = new AbortController()
    const runs = Array.from({ length: agents }, (_, i) => runPublisher({ port, topic: order.topics[i % order.topics.length] ?? '', kind: 'storm', number: number + i, rate: 1e6, window, random, ledger, announces: order.announces }, calm.signal, order.patience))
    await pause(order.length * 1000)
    for (const ear of ears) ear?.socket.resetAndDestroy()
    report.times.push({ from, to: Date.now() })
    await pause(300)
    calm.abort()
    for (const { sent, open } of await Promise.all(runs)) {
      report.sent += sent
      report.open += open
    }
  }
  await ledger.close()
})

import { openLedger } from '../ledger.ts'
import type { KindName } from '../kinds.ts'
import { runPublisher, type PublisherReport } from '../publisher.ts'
import { randomOf } from '../random.ts'
import { serve } from '../actor.ts'

/** The honest publishers, some of each kind. */

export interface PublishersOrder {
  seed: number
  ledger: string
  /** ms that they wait in the end for their acknowledgements. */
  patience: number
  announces: boolean
  publishers: Array<{ kind: KindName, number: number, rate: number, port: number, topic: string }>
}

/** By agent. */
export type PublishersReport = Record<string, PublisherReport>

await serve<PublishersOrder>(async ({ order, stopping, answer }) => {
  const ledger = openLedger(order.ledger)
  const reports: PublishersReport = {}
  await Promise.all(order.publishers.map(async ({ kind, number, rate, port, topic }, i) => {
    reports[`${kind} ${number}`] = await runPublisher({ port, topic, kind, number, rate, window: 200, random: randomOf(order.seed + i), ledger, announces: order.announces }, stopping, order.patience)
  }))
  await ledger.close()
  answer(() => reports)
})

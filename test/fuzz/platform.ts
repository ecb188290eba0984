import { createRequire } from 'node:module'
import type { TestContext } from 'node:test'
import type { Delivery } from '../../lib/intake/pending-deliveries.ts'
import type { IntakeHandler, Rejected } from '../../lib/intake/intake-handler.ts'
import type { Message } from '../../lib/messages/parse.ts'
import { attachOutbox, startOutboxes, type OutboxHandler } from '../../lib/registry/outbox.ts'
import { attachIntake, closeOrphanBrokers, detachIntake } from '../../lib/registry/registry.ts'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import type { DatabaseOptions } from '../../lib/store/dialects/options.ts'
import { Store } from '../../lib/store/store.ts'
import { day } from '../../lib/time.ts'
import { storing } from '../../nodes/metric-store/storing.ts'
import { sayIn } from '../../nodes/shared/language.ts'
import { warningsOf } from '../../nodes/shared/warnings.ts'
import { openBroker, type TestBroker, type TestOptions } from '../helpers/broker.ts'

const { util } = createRequire(import.meta.url)('@node-red/util') as { util: { cloneMessage<Msg> (msg: Msg): Msg } }

/** How far from now a time may be. */
export const ranges = { past: 3650 * day, future: day }

export interface Heard {
  /** A message was stored, or could not be. */
  stored? (msg: Message, delivery: Delivery, error: Error | undefined): void
  rejected? (rejected: Rejected): void
}

/** A broker, agent-in and metric-store without Node-RED, but for its way of cloning messages. */
export async function openPlatform (t: Pick<TestContext, 'after'>, database: DatabaseOptions, options: TestOptions, heard: Heard = {}): Promise<{ broker: TestBroker, store: Store }> {
  const store = new Store(dialectOf(database), { instance: 'test' })
  t.after(() => store.close())
  const broker = await openBroker(t, options)
  const { id } = broker
  const outboxHandler: OutboxHandler = { receive: () => undefined, send: () => undefined, clone: util.cloneMessage }
  const outbox = attachOutbox(id, outboxHandler)
  startOutboxes()
  const say = sayIn('en')
  const warnings = warningsOf({ warn: () => undefined }, say)
  const storeMessage = storing({ id, store, outbox, warnings, say, tell: error => error.message })
  const handler: IntakeHandler = {
    message (message, delivery) {
      const msg = util.cloneMessage({ _msgid: delivery.id, topic: message.topic, payload: message.payload, delivery })
      storeMessage(msg, error => { heard.stored?.(msg as never, delivery, error) })
    },
    rejected (rejected) { heard.rejected?.(rejected) },
    unsettled (error) { throw error }
  }
  attachIntake(id, id, handler, { acknowledge: 'stored', timeLimit: 30_000, clientWindow: 1_000, totalWindow: 10_000, rules: { ...ranges, outside: 'reject', numericText: false } })
  t.after(async () => {
    warnings.close()
    outbox.detach(outboxHandler)
    detachIntake(id, id)
    await closeOrphanBrokers()
  })
  return { broker, store }
}

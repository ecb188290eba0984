import type { NodeDef } from 'node-red'
import { PlatziverseError } from '../../lib/errors.ts'
import { claimDelivery, strayStored, type Delivery } from '../../lib/intake/pending-deliveries.ts'
import { fingerprint, nextSeq } from '../../lib/messages/fingerprint.ts'
import { parse, type Rules } from '../../lib/messages/parse.ts'
import { topics } from '../../lib/messages/topics.ts'
import { attachOutbox, type OutboxHandler } from '../../lib/registry/outbox.ts'
import { disconnectSilentAgents } from '../../lib/store/disconnect-silent-agents.ts'
import type { StoreState } from '../../lib/store/store.ts'
import type { DatabaseNode } from '../platziverse-database/platziverse-database.ts'
import { watchFlows } from '../shared/broker.ts'
import { milliseconds, type RED, type RedMessage, type RedNode } from '../shared/red.ts'
import { statusLine } from '../shared/status.ts'
import { warningsOf } from '../shared/warnings.ts'
import { metricStoreDefaults as defaults, type MetricStoreConfig } from './config.ts'

const statusEvery = 1_000
/** What comes from any other node: no clock of a device that was never set, and nothing that stays the newest for ever. */
const directRules: Rules = { past: Date.now() - Date.UTC(2000, 0), future: 86_400_000, outside: 'reject', numericText: false }
const nothingDeleted = { deleted: { metrics: 0 }, error: null }

/** Stores messages, settles their deliveries after the commit, and passes them on with `msg.stored`. */
export default function (RED: RED): void {
  watchFlows(RED)

  function MetricStoreNode (this: RedNode, config: NodeDef & MetricStoreConfig): void {
    RED.nodes.createNode(this, config)
    const status = statusLine(this)
    const database = RED.nodes.getNode(config.database) as DatabaseNode | null
    if (!database?.store) {
      const error = new PlatziverseError('DATABASE_MISSING', 'No database is chosen, or it is disabled.')
      this.error(error.message)
      status.show({ fill: 'red', shape: 'ring', text: error.code })
      this.on('input', (_msg, _send, done) => { done(error) })
      return
    }
    const { store } = database
    // Results of this instance's writes may come when the next one is there.
    const handler: OutboxHandler = { receive: msg => { this.receive(msg as RedMessage) }, send: msg => { this.send(msg as RedMessage) }, clone: msg => RED.util.cloneMessage(msg as RedMessage) }
    const outbox = attachOutbox(this.id, handler)
    const warnings = warningsOf(this)

    this.on('input', (msg: RedMessage, _send, done) => {
      const carried = msg.delivery as Partial<Delivery> | undefined
      // A function that makes a new message keeps _msgid alone, which agent-in made the delivery's.
      const hold = claimDelivery(carried?.id ?? msg._msgid)
      const delivery = carried ?? hold?.delivery
      const receivedAt = delivery?.receivedAt ?? Date.now()
      const parsed = parse(msg.topic, msg.payload, receivedAt, undefined, delivery === undefined ? directRules : undefined)
      if (!parsed.ok) {
        const error = new Error(`${parsed.reason}: ${parsed.detail}`)
        // agent-in lets only good messages through, so the flow broke it: the sender keeps it until the flow is mended.
        hold?.settle(error)
        return done(error)
      }
      const { message, bad: [first, ...others] } = parsed
      if (first !== undefined) warnings.warn('metrics', `Metrics were left out, and the others of their message stored: ${[first, ...others.slice(0, 2)].map(({ detail }) => detail).join(' ')}${others.length > 2 ? ` And ${others.length - 2} more.` : ''}`)
      if (parsed.notice !== undefined) warnings.warn('time', parsed.notice.detail)
      if (message.kind === 'message') {
        const { payload } = message
        if (parsed.untimed) payload.seq ??= delivery?.fingerprint ?? nextSeq()
        // The number is agent-in's, not the sender's: what the flow made of one message is told apart, each time alike.
        const same = hold !== undefined && payload.seq === hold.delivery.fingerprint ? hold.countSame(this.id, payload.metrics) : 0
        if (same > 0) payload.seq = fingerprint(`${payload.seq}/${same}`)
      }
      if (delivery === undefined) strayStored(message.payload.agent.uuid)
      store.write(message, receivedAt, (error, stored) => {
        if (error !== null) {
          // What the database refuses is acknowledged: it must not come back for ever. Anything else will be sent again.
          if (error.code === 'STORE_CLOSED' && hold === undefined) {
            // Nobody else has it: it may be acknowledged.
            outbox.forward(msg, () => { done(error) })
            return
          }
          if (error.code === 'STORE_DATA_REFUSED') hold?.settle()
          else if (error.code === 'STORE_CLOSED') hold?.release()
          else hold?.settle(error)
          return done(error)
        }
        msg.payload = message.payload
        msg.stored = stored
        outbox.pass({ msg, hold, sent: done })
      }, carried?.fingerprint, hold?.bytes)
    })

    let reported = ''
    const onState = (state: StoreState): void => {
      show()
      const message = state.state === 'waiting' ? state.error.message : ''
      if (message !== '' && message !== reported) this.error(message)
      reported = message
    }
    const show = (): void => {
      const { state } = store
      const { metrics, queued, ...counted } = store.statistics()
      // What went well is one number; what did not is told as soon as there is any of it.
      const asides = (['spooled', 'duplicates', 'refused', 'retries'] as const).filter(name => counted[name] > 0).map(name => RED._(`metric-store.status.${name}`, counted))
      const { deleted: { metrics: deleted }, error } = database.retention?.statistics() ?? nothingDeleted
      if (deleted > 0) asides.push(RED._('metric-store.status.deleted', { deleted }))
      if (error !== null) asides.push(RED._('metric-store.status.keeping', { code: error.code }))
      if (state.state === 'waiting') status.show({ fill: 'red', shape: 'ring', text: [RED._('metric-store.status.waiting', { message: state.error.code, queued }), ...asides].join(' · ') })
      else if (state.state === 'ready') status.show({ fill: 'green', shape: 'dot', text: [RED._('metric-store.status.stored', { count: metrics }), ...asides].join(' · ') })
      else status.show({ fill: 'yellow', shape: 'ring', text: RED._('metric-store.status.opening') })
    }
    store.on('state', onState)
    onState(store.state)
    const timer = setInterval(show, statusEvery)

    const forget = disconnectSilentAgents(store, milliseconds(config.grace, defaults.grace), uuid => {
      outbox.pass({ msg: { topic: topics.disconnected, payload: { agent: { uuid } } }, hold: undefined, sent: () => undefined })
    })

    this.on('close', (done: () => void) => {
      clearInterval(timer)
      forget()
      outbox.detach(handler)
      warnings.close()
      store.off('state', onState)
      status.close()
      done()
    })
  }

  RED.nodes.registerType('metric-store', MetricStoreNode)
}

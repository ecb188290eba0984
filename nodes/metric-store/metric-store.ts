import type { NodeDef } from 'node-red'
import { topics } from '../../lib/messages/topics.ts'
import { attachOutbox } from '../../lib/registry/outbox.ts'
import { disconnectAfterSilence } from '../../lib/store/disconnect-after-silence.ts'
import { disconnectSilentAgents } from '../../lib/store/disconnect-silent-agents.ts'
import type { StoreState } from '../../lib/store/store.ts'
import { watchFlows } from '../shared/broker.ts'
import { databaseOf } from '../shared/database.ts'
import { languageOf, sayIn, tellingOf } from '../shared/language.ts'
import { outboxHandlerOf } from '../shared/outbox.ts'
import { tellPlainly } from '../shared/plain-errors.ts'
import { milliseconds, wholeNumber, type RED, type RedMessage, type RedNode } from '../shared/red.ts'
import { orRefuse, readSaved } from '../shared/refusing.ts'
import { liveStatus } from '../shared/status.ts'
import { warningsOf } from '../shared/warnings.ts'
import { metricStoreDefaults as defaults, type MetricStoreConfig } from './config.ts'
import { upgrade } from './migrations.ts'
import { statusOf } from './status.ts'
import { storing } from './storing.ts'

/** Stores messages, settles their deliveries after the commit, and passes them on with `msg.stored`. */
export default function (RED: RED): void {
  watchFlows(RED)

  function MetricStoreNode (this: RedNode, saved: NodeDef & MetricStoreConfig): void {
    RED.nodes.createNode(this, saved)
    tellPlainly(RED, this)
    const config = orRefuse(RED, this, () => readSaved(upgrade, saved))
    if (config === undefined) return
    const database = databaseOf(RED, this, config.database)
    if (database === undefined) return
    const { store } = database
    // Writes of this instance may end when the next one is there.
    const handler = outboxHandlerOf(RED, this)
    const outbox = attachOutbox(this.id, handler)
    const say = sayIn(languageOf(RED))
    const warnings = warningsOf(this, say)
    const storeMessage = storing({ id: this.id, store, outbox, warnings, say, tell: error => tellingOf(RED, error) })
    this.on('input', (msg: RedMessage, _send, done) => { storeMessage(msg, done) })

    const status = liveStatus(this, () => statusOf(RED, database))
    let reported = ''
    const onState = (state: StoreState): void => {
      status.show()
      const error = state.state === 'waiting' ? state.error : undefined
      if (error !== undefined && error.message !== reported) this.error(error)
      reported = error?.message ?? ''
    }
    store.on('state', onState)
    onState(store.state)

    const sayGoodbye = (uuid: string): void => {
      outbox.pass({ msg: { topic: topics.disconnected, payload: { agent: { uuid } } }, claim: undefined, sent: () => undefined })
    }
    const forget = disconnectSilentAgents(store, milliseconds(config.grace, defaults.grace), sayGoodbye)
    const silence = { time: milliseconds(config.silence, defaults.silence), intervals: wholeNumber(config.intervals, Number(defaults.intervals)) }
    const hearNoMore = disconnectAfterSilence(store, silence, sayGoodbye)

    this.on('close', (done: () => void) => {
      forget()
      hearNoMore()
      outbox.detach(handler)
      warnings.close()
      store.off('state', onState)
      status.close()
      done()
    })
  }

  RED.nodes.registerType('metric-store', MetricStoreNode)
}

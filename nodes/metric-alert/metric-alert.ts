import type { NodeDef, NodeStatus } from 'node-red'
import { Alerts } from '../../lib/alerts/alerts.ts'
import { alertRules } from '../../lib/alerts/rules/alert-rule.ts'
import { Maintenance } from '../../lib/alerts/rules/maintenance.ts'
import type { AlertsState } from '../../lib/alerts/terms.ts'
import type { PlatziverseError } from '../../lib/errors.ts'
import { attachOutbox, type OutboxHandler } from '../../lib/registry/outbox.ts'
import { watchFlows } from '../shared/broker.ts'
import { databaseOf } from '../shared/database.ts'
import { languageOf } from '../shared/language.ts'
import { tellPlainly } from '../shared/plain-errors.ts'
import { milliseconds, wholeNumber, type RED, type RedMessage, type RedNode } from '../shared/red.ts'
import { orRefuse, readSaved } from '../shared/refusing.ts'
import { bad, good, joined, liveStatus, pending, problemText } from '../shared/status.ts'
import { obey } from './commands.ts'
import { metricAlertDefaults as defaults, type MetricAlertConfig } from './config.ts'
import { messagesOf, type AlertMessage, type Announcing } from './messages.ts'
import { upgrade } from './migrations.ts'

/** Announces what begins and ends to be wrong in a database, by rules. */
export default function (RED: RED): void {
  watchFlows(RED)

  function MetricAlertNode (this: RedNode, saved: NodeDef & MetricAlertConfig): void {
    RED.nodes.createNode(this, saved)
    tellPlainly(RED, this)
    const read = orRefuse(RED, this, () => {
      const config = readSaved(upgrade, saved)
      return { config, rules: alertRules(config.rules), maintenance: config.maintenance.map(times => new Maintenance(times)) }
    })
    if (read === undefined) return
    const { config, rules, maintenance } = read
    const database = databaseOf(RED, this, config.database)
    if (database === undefined) return

    const handler: OutboxHandler = {
      receive: msg => { this.receive(msg as RedMessage) },
      send: parcel => {
        const { output, msg } = parcel as AlertMessage
        this.send(Array.from({ length: output + 1 }, (_, i) => i === output ? msg : null))
      },
      clone: parcel => structuredClone(parcel)
    }
    // It waits while the flows are stopped.
    const outbox = attachOutbox(this.id, handler)
    const surroundings = { language: languageOf(RED), link: config.link.trim() }
    const announce: Announcing = (notices, isTest) => {
      for (const msg of messagesOf(notices, surroundings, isTest)) outbox.pass({ msg, claim: undefined, sent: () => undefined })
    }

    let state: AlertsState = 'starting'
    let problem: PlatziverseError | undefined
    const alerts = new Alerts(database.store, {
      node: this.id.slice(0, 64),
      rules,
      maintenance,
      digest: { more: wholeNumber(config.digest, Number(defaults.digest)), within: milliseconds(config.digestWithin, defaults.digestWithin) },
      announce,
      state: now => {
        state = now
        if (now === 'watching' || now === 'elsewhere') problem = undefined
      },
      failed: error => {
        if (error.code !== problem?.code) this.error(error)
        problem = error
      }
    })
    const status = liveStatus(this, (): NodeStatus => {
      if (problem !== undefined) return bad(problemText(RED, problem.code))
      if (state === 'elsewhere') return good(RED._('metric-alert.status.elsewhere'))
      if (state !== 'watching') return pending(RED._('metric-alert.status.starting'))
      const { watched, raised, ofTexts, leftOut } = alerts.count()
      const text = joined(
        raised > 0 ? RED._('metric-alert.status.raised', { count: raised }) : RED._('metric-alert.status.watched', { count: watched }),
        leftOut > 0 && RED._('metric-alert.status.leftOut', { count: leftOut }),
        ofTexts > 0 && RED._('metric-alert.status.ofTexts', { count: ofTexts })
      )
      return raised > 0 ? { fill: 'red', shape: 'dot', text } : leftOut > 0 || ofTexts === watched ? pending(text) : good(text)
    })
    alerts.start()

    this.on('input', (msg: RedMessage, send, done) => {
      obey(msg, alerts, rules, announce).then(payload => {
        send([null, null, { ...msg, payload }])
        done()
      }, done)
    })

    this.on('close', (removed: boolean, done: () => void) => {
      status.close()
      outbox.detach(handler)
      alerts.close(removed).then(done, done)
    })
  }

  RED.nodes.registerType('metric-alert', MetricAlertNode)
}

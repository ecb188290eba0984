import type { NodeDef } from 'node-red'
import { PlatziverseError } from '../../lib/errors.ts'
import { ask } from '../../lib/query/ask.ts'
import { asksFor } from '../../lib/query/asks-for.ts'
import { interestOf } from '../../lib/query/live/interest.ts'
import { LiveQuestions } from '../../lib/query/live/live-questions.ts'
import { changeQuery, parseFollow, parseQuery, parseResult, type QueryInput } from '../../lib/query/parse.ts'
import { databaseOf } from '../shared/database.ts'
import { tellPlainly } from '../shared/plain-errors.ts'
import { wholeNumber, type RED, type RedMessage, type RedNode } from '../shared/red.ts'
import { orRefuse, readSaved } from '../shared/refusing.ts'
import { bad, good, joined, problemText, statusLine } from '../shared/status.ts'
import { metricQueryDefaults as defaults, type MetricQueryConfig } from './config.ts'
import { messageOf, partsOf, queryOf } from './messages.ts'
import { upgrade } from './migrations.ts'

type Send = (msg: RedMessage) => void

/** Answers each message from a database, in `msg.payload`; and again when something new is stored, where it is to follow. */
export default function (RED: RED): void {
  function MetricQueryNode (this: RedNode, saved: NodeDef & MetricQueryConfig): void {
    RED.nodes.createNode(this, saved)
    tellPlainly(RED, this)
    const config = orRefuse(RED, this, () => readSaved(upgrade, saved))
    if (config === undefined) return
    const database = databaseOf(RED, this, config.database)
    if (database === undefined) return
    const { store } = database
    const status = statusLine(this)
    const query = queryOf(config)
    const most = Math.max(1, wholeNumber(config.most, Number(defaults.most)))
    const live = new LiveQuestions(store.feed)
    let closed = false

    const answer = async (msg: RedMessage, asked: QueryInput, send: Send, isWanted: () => boolean): Promise<void> => {
      const started = performance.now()
      const result = parseResult(asked)
      const id = RED.util.generateId()
      let rows = 0
      const question = parseQuery(asked, Date.now())
      for await (const answer of ask(await store.read(asksFor(question)), question, { result, most })) {
        if (!isWanted()) return
        rows = answer.rows
        send({ ...messageOf(msg, answer, result === 'chart'), ...partsOf(msg, answer, id, most) })
        // The nodes that take the parts get a turn before the next part is read.
        if (answer.part !== undefined) await new Promise(resolve => setImmediate(resolve))
      }
      const answered = RED._('metric-query.status.answered', { count: rows, ms: Math.round(performance.now() - started) })
      status.show(good(joined(answered, live.size > 0 && RED._('metric-query.status.live', { count: live.size }))))
    }

    const handle = async (msg: RedMessage, send: Send): Promise<void> => {
      const asked = changeQuery(query, msg.query)
      const every = parseFollow(asked)
      const topic = typeof msg.topic === 'string' ? msg.topic : ''
      live.end(topic)
      if (every === undefined) {
        return await answer(msg, asked, send, () => {
          if (closed) throw new PlatziverseError('QUERY_FAILED', 'A deploy replaced the node before it had answered.')
          return true
        })
      }
      if (every === 'end') return status.show(good(RED._('metric-query.status.ended')))
      // Nodes behind this one may change what they get.
      const kept = RED.util.cloneMessage({ ...msg, payload: undefined })
      await live.start(topic, {
        interest: interestOf(parseQuery(asked, Date.now())),
        every,
        ask: isWanted => answer(RED.util.cloneMessage(kept), asked, send, isWanted),
        failed: error => { this.error(failure(error as PlatziverseError), kept) }
      })
    }

    const failure = (error: PlatziverseError): PlatziverseError => {
      const reason = error.code === 'STORE_CLOSED' ? new PlatziverseError('DATABASE_MISSING', 'The database was closed.') : error
      status.show(bad(problemText(RED, reason.code)))
      return reason
    }

    this.on('input', (msg: RedMessage, send, done) => {
      handle(msg, send).then(() => { done() }, (error: PlatziverseError) => { done(failure(error)) })
    })

    this.on('close', (done: () => void) => {
      closed = true
      live.close()
      status.close()
      done()
    })
  }

  RED.nodes.registerType('metric-query', MetricQueryNode)
}

import type { NodeDef } from 'node-red'
import { PlatziverseError } from '../../lib/errors.ts'
import { ask, type Answer } from '../../lib/query/ask.ts'
import { changeQuery, parseQuery, parseResult, type QueryInput } from '../../lib/query/parse.ts'
import { databaseOf } from '../shared/database.ts'
import { tellPlainly } from '../shared/plain-errors.ts'
import { wholeNumber, type RED, type RedMessage, type RedNode } from '../shared/red.ts'
import { bad, good, statusLine } from '../shared/status.ts'
import { metricQueryDefaults as defaults, type MetricQueryConfig } from './config.ts'
import { upgrade } from './migrations.ts'

/** Answers each message from a database, in `msg.payload`. */
export default function (RED: RED): void {
  function MetricQueryNode (this: RedNode, saved: NodeDef & MetricQueryConfig): void {
    RED.nodes.createNode(this, saved)
    tellPlainly(RED, this)
    const config = upgrade(saved)
    const database = databaseOf(RED, this, config.database)
    if (database === undefined) return
    const { store } = database
    const status = statusLine(this)
    const query = queryOf(config)
    const most = Math.max(1, wholeNumber(config.most, Number(defaults.most)))
    let closed = false

    const answer = async (msg: RedMessage, send: (msg: RedMessage) => void): Promise<void> => {
      const started = performance.now()
      const asked = changeQuery(query, msg.query)
      const result = parseResult(asked)
      const id = RED.util.generateId()
      let rows = 0
      for await (const answer of ask(await store.read(), parseQuery(asked, Date.now()), { result, most })) {
        if (closed) throw new PlatziverseError('QUERY_FAILED', 'A deploy replaced the node before it had answered.')
        rows = answer.rows
        const parts = answer.part === undefined ? {} : { parts: partsOf(msg, id, most, answer.part) }
        send({ ...messageOf(msg, answer, result === 'chart'), ...parts })
        // The nodes that take the parts get a turn before the next part is read.
        if (answer.part !== undefined) await new Promise(resolve => setImmediate(resolve))
      }
      const ms = Math.round(performance.now() - started)
      status.show(good(RED._('metric-query.status.answered', { count: rows, ms })))
    }

    this.on('input', (msg: RedMessage, send, done) => {
      answer(msg, send).then(() => { done() }, (error: PlatziverseError) => {
        const reason = error.code === 'STORE_CLOSED' ? new PlatziverseError('DATABASE_MISSING', 'The database was closed.') : error
        status.show(bad(reason.code))
        done(reason)
      })
    })

    this.on('close', (done: () => void) => {
      closed = true
      status.close()
      done()
    })
  }

  RED.nodes.registerType('metric-query', MetricQueryNode)
}

function queryOf (config: MetricQueryConfig): QueryInput {
  const { query, uuid, metricType: type, username, from, to, limit, order, bucket, aggregates, fill, result } = config
  return { query, uuid, type, username, from, to, limit, order, bucket, aggregates, fill, result }
}

function messageOf (msg: RedMessage, { payload, rows, about }: Answer, isChart: boolean): RedMessage {
  // A chart shows only this answer, without the ones before it.
  return { ...msg, payload, answer: { rows, ...about }, ...isChart ? { action: 'replace' } : {} }
}

/** The same properties that a split node sets, so that a join node puts the parts together; `parts` that were there are kept inside. */
function partsOf (msg: RedMessage, id: string, len: number, part: object): object {
  return { id, type: 'array', len, ...part, ...msg.parts === undefined ? {} : { parts: msg.parts } }
}

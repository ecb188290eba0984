import type { NodeDef } from 'node-red'
import { PlatziverseError } from '../../lib/errors.ts'
import { ask, type Answer } from '../../lib/query/ask.ts'
import { changeQuery, parseQuery, parseResult, type QueryInput } from '../../lib/query/parse.ts'
import type { DatabaseNode } from '../platziverse-database/platziverse-database.ts'
import { wholeNumber, type RED, type RedMessage, type RedNode } from '../shared/red.ts'
import { statusLine } from '../shared/status.ts'
import { metricQueryDefaults as defaults, type MetricQueryConfig } from './config.ts'

/** Answers each message from a database, in `msg.payload`. */
export default function (RED: RED): void {
  function MetricQueryNode (this: RedNode, config: NodeDef & MetricQueryConfig): void {
    RED.nodes.createNode(this, config)
    const status = statusLine(this)
    const missing = (detail: string): PlatziverseError => new PlatziverseError('DATABASE_MISSING', detail)
    const fail = (error: PlatziverseError): void => { status.show({ fill: 'red', shape: 'ring', text: error.code }) }
    const database = RED.nodes.getNode(config.database) as DatabaseNode | null
    if (!database?.store) {
      const error = missing('No database is chosen, or it is disabled.')
      this.error(error.message)
      fail(error)
      this.on('input', (_msg, _send, done) => { done(error) })
      return
    }
    const { store } = database
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
        send({ ...messageOf(msg, answer, result === 'chart'), ...answer.part === undefined ? {} : { parts: partsOf(msg, id, most, answer.part) } })
        // Whoever takes the parts gets a turn before the next one is read.
        if (answer.part !== undefined) await new Promise(resolve => setImmediate(resolve))
      }
      const ms = Math.round(performance.now() - started)
      status.show({ fill: 'green', shape: 'dot', text: RED._('metric-query.status.answered', { count: rows, ms }) })
    }

    this.on('input', (msg: RedMessage, send, done) => {
      answer(msg, send).then(() => { done() }, (error: PlatziverseError) => {
        const reason = error.code === 'STORE_CLOSED' ? missing('The database was closed.') : error
        fail(reason)
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
  const { query, uuid, metricType: type, username, from, to, limit, order, bucket, aggregates, fill, result } = { ...defaults, ...config }
  return { query, uuid, type, username, from, to, limit, order, bucket, aggregates, fill, result }
}

function messageOf (msg: RedMessage, { payload, rows, about }: Answer, isChart: boolean): RedMessage {
  // A chart shows this answer alone, and not those before it as well.
  return { ...msg, payload, answer: { rows, ...about }, ...isChart ? { action: 'replace' } : {} }
}

/** As the node split has them, so that join puts them together: a part of a part keeps what it was a part of. */
function partsOf (msg: RedMessage, id: string, len: number, part: object): object {
  return { id, type: 'array', len, ...part, ...msg.parts === undefined ? {} : { parts: msg.parts } }
}

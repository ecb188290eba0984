import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { connectAsync } from 'mqtt'
import type { Overview } from '../../lib/overview/shown.ts'
import { until } from '../helpers/events.ts'
import { freePort, skipWithoutNodeRed, startNodeRed } from '../helpers/node-red.ts'

const inLanguages = [
  {
    lang: 'es-ES',
    taken: (port: number) => `El puerto ${port} está ocupado. Otro programa, u otro broker de los flujos, escucha en este puerto: detenerlo o elegir otro puerto. El broker lo sigue intentando. (BROKER_PORT_TAKEN)`,
    refused: 'PostgreSQL en 127.0.0.1:1: nadie escucha en 127.0.0.1:1 (ECONNREFUSED). Ahí no contesta ningún servidor de base de datos',
    rejected: 'Rechazado, del cliente "thermometer" en agent/message: FIELD_INVALID: agent no tiene uuid.'
  },
  {
    lang: 'pt-BR',
    taken: (port: number) => `A porta ${port} está ocupada. Outro programa, ou outro broker dos seus fluxos, escuta nesta porta: pare-o ou escolha outra porta. O broker continua tentando. (BROKER_PORT_TAKEN)`,
    refused: 'PostgreSQL em 127.0.0.1:1: ninguém escuta em 127.0.0.1:1 (ECONNREFUSED). Nenhum servidor de banco de dados responde ali',
    rejected: 'Recusado, do cliente "thermometer" em agent/message: FIELD_INVALID: agent não tem uuid.'
  },
  {
    lang: 'en-US',
    taken: (port: number) => `Port ${port} is taken. Another program, or another broker of your flows, listens on this port: stop it or choose another port. The broker keeps trying. (BROKER_PORT_TAKEN)`,
    refused: 'PostgreSQL at 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1. No database server answers there',
    rejected: 'Rejected, from client "thermometer" on agent/message: FIELD_INVALID: agent must have required properties uuid.'
  }
]

for (const { lang, taken, refused, rejected } of inLanguages) {
  test(`what is wrong is told in ${lang}, which Node-RED speaks; a reader of the editor gets their own language`, { skip: skipWithoutNodeRed(5) }, async t => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    t.after(() => { other.close() })
    const { port: takenPort } = other.address() as AddressInfo
    const port = await freePort()
    const nodeRed = await startNodeRed({
      settings: { lang },
      flows: [
        { id: 'tab', type: 'tab' },
        { id: 'broker', z: 'tab', x: 200, y: 80, type: 'platziverse-broker', name: 'good', port, host: '127.0.0.1', wires: [[], []] },
        { id: 'shut', z: 'tab', x: 200, y: 80, type: 'platziverse-broker', name: 'shut', port: takenPort, host: '127.0.0.1', wires: [[], []] },
        { id: 'database', type: 'platziverse-database', client: 'postgresql', host: '127.0.0.1', port: 1, database: 'platziverse', filename: '' },
        { id: 'in', z: 'tab', x: 200, y: 80, type: 'agent-in', broker: 'broker', acknowledge: 'arrival', wires: [[], [], ['store'], []] },
        { id: 'store', z: 'tab', x: 200, y: 80, type: 'metric-store', database: 'database', wires: [[]] }
      ]
    })
    t.after(() => nodeRed.stop())
    const client = await until(() => connectAsync(`mqtt://127.0.0.1:${port}`, { clientId: 'thermometer', reconnectPeriod: 0 }).catch(() => undefined), client => client !== undefined)
    t.after(() => { client?.end(true) })
    await client?.publishAsync('agent/message', '{"agent": {}, "metrics": [{"type": "t", "value": 1}]}', { qos: 1 })
    await until(() => nodeRed.log, log => [taken(takenPort), refused, rejected].every(text => log.includes(text)))

    for (const reader of inLanguages) {
      const ask = <Answer>(path: string, body: object = {}) => nodeRed.api<Answer>(`platziverse/sidebar/${path}`, { body, headers: { 'Accept-Language': `${reader.lang},en;q=0.5` } })
      const { brokers, databases, agents } = await ask<Overview>('look')
      const listener = brokers?.find(({ name }) => name === 'shut')
      assert.equal(listener?.code, 'BROKER_PORT_TAKEN')
      assert.ok(reader.taken(takenPort).startsWith(listener?.detail ?? 'nothing'), listener?.detail)
      assert.ok(reader.refused.startsWith(databases?.[0]?.detail ?? 'nothing'), databases?.[0]?.detail)
      assert.ok(`${agents?.refusal?.detail} ${agents?.refusal?.help}`.startsWith(reader.refused), agents?.refusal?.detail)
    }
    const { brokers } = await nodeRed.api<Overview>('platziverse/sidebar/look', { body: {}, headers: { 'Accept-Language': 'fr' } })
    assert.equal(brokers?.find(({ name }) => name === 'shut')?.detail, `Port ${takenPort} is taken.`)
  })
}

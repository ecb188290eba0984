import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import type { Knex } from 'knex'
import assert from 'node:assert/strict'
import { until } from './events.ts'

/** How many messages a sender keeps unacknowledged, unless it is told. */
const usualWindow = 20

/** An agent that sends as fast as it is acknowledged, and again what was not. */
export class Sender {
  readonly uuid: string
  readonly acknowledged = new Set<number>()
  #url: string | (() => string)
  #open = new Set<number>()
  #next = 0
  /** How often the connection was lost. */
  losses = 0
  #stopped = false
  #client: MqttClient | undefined
  #protocolVersion: 4 | 5
  #inFlight: number

  /** @param url of the broker, or the next one to try of a cluster's */
  constructor (uuid: string, url: string | (() => string), protocolVersion: 4 | 5 = 4, inFlight = usualWindow) {
    this.uuid = uuid
    this.#url = url
    this.#protocolVersion = protocolVersion
    this.#inFlight = inFlight
  }

  get sent (): number { return this.#next }

  /** Connects, and again after each loss, until it is stopped. */
  async run (): Promise<void> {
    while (!this.#stopped) {
      const options: IClientOptions = { clientId: this.uuid, protocolVersion: this.#protocolVersion, reconnectPeriod: 0, connectTimeout: 2000 }
      const client = await connectAsync(typeof this.#url === 'string' ? this.#url : this.#url(), options).catch(() => undefined)
      if (client === undefined) {
        await new Promise(resolve => setTimeout(resolve, 50))
        continue
      }
      client.on('error', () => undefined)
      this.#client = client
      const lost = new Promise<void>(resolve => client.once('close', () => { resolve() }))
      for (const seq of this.#open) this.#publish(client, seq)
      while (this.#open.size < this.#inFlight) this.#more(client)
      await lost
      if (!this.#stopped) this.losses++
    }
  }

  async stop (): Promise<void> {
    this.#stopped = true
    await until(() => this.#open.size, n => n === 0, 30_000)
    this.#client?.end(true)
  }

  vanish (): void {
    this.#stopped = true
    this.#client?.end(true)
  }

  #more (client: MqttClient): void {
    if (this.#stopped) return
    const seq = this.#next++
    this.#open.add(seq)
    this.#publish(client, seq)
  }

  #publish (client: MqttClient, seq: number): void {
    const payload = { agent: { uuid: this.uuid }, metrics: [{ type: 'a', value: seq }, { type: 'b', value: String(seq) }], timestamp: 1_700_000_000_000 + seq, seq }
    client.publish('agent/message', JSON.stringify(payload), { qos: 1 }, error => {
      if (error || client !== this.#client) return
      this.#open.delete(seq)
      this.acknowledged.add(seq)
      this.#more(client)
    })
  }
}

/** Fails unless every message that was acknowledged is in the database, each exactly once and as it was sent. */
export async function assertStoredOnce (knex: Knex, { uuid, acknowledged, sent }: Sender): Promise<void> {
  const rows = await knex('metrics').join('series', 'series.id', 'series_id').join('agents', 'agents.id', 'agent_id')
    .where({ uuid }).select('type', 'seq', 'ts', 'value', 'text') as Array<{ type: string, seq: number, ts: number, value: number | null, text: string | null }>
  for (const type of ['a', 'b']) {
    const stored = rows.filter(row => row.type === type)
    const seqs = new Set(stored.map(({ seq }) => seq))
    assert.equal(stored.length, seqs.size, `${uuid}: nothing twice`)
    assert.deepEqual([...acknowledged].filter(seq => !seqs.has(seq)), [], `${uuid}: everything acknowledged is there`)
    assert.ok(stored.every(({ seq, ts, value, text }) => seq < sent && ts === 1_700_000_000_000 + seq && (type === 'a' ? value === seq : text === String(seq))))
  }
}

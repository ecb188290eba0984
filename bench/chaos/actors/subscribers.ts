import { setTimeout as pause } from 'node:timers/promises'
import type { Packet } from 'mqtt-packet'
import { openClient, subscribe } from '../client.ts'
import { kindOf } from '../kinds.ts'
import { between, randomOf } from '../random.ts'
import { serve } from '../actor.ts'

/** Persistent subscribers at QoS 1, who are to receive all that is stored. The last one moves: its connection is cut again and again. */

export interface SubscribersOrder { port: number, topic: string, seed: number, count: number }

export interface SubscriberReport {
  clientId: string
  /** By agent: how often each value was received, up to 255. */
  heard: Map<string, Uint8Array>
  /** By agent: how many goodbyes were received since it was heard last. */
  goodbyes: Map<string, number>
  received: number
  connections: number
  /** When CONNACK said that the session was gone, ms since 1970. */
  forgotten: number[]
}

/** What is longer is none of ours: it costs too much to read. */
const longestPayload = 4096

await serve<SubscribersOrder>(async ({ order, stopping, answer }) => {
  const reports = Array.from({ length: order.count }, (_, i): SubscriberReport => ({ clientId: `chaos-subscriber-${i}`, heard: new Map(), goodbyes: new Map(), received: 0, connections: 0, forgotten: [] }))
  answer(() => reports)
  await Promise.all(reports.map((report, i) => run(report, i === order.count - 1)))

  async function run (report: SubscriberReport, moves: boolean): Promise<void> {
    const random = randomOf(order.seed + report.clientId.length)
    while (!stopping.aborted) {
      const client = await openClient({ port: order.port, clientId: report.clientId, clean: false }, (packet, client) => {
        if (packet.cmd !== 'publish') return
        note(report, packet)
        if (packet.qos === 1 && packet.messageId !== undefined) client.send({ cmd: 'puback', messageId: packet.messageId })
      })
      if (client === undefined) {
        await pause(100)
        continue
      }
      if (!client.sessionPresent) {
        if (report.connections > 0) report.forgotten.push(Date.now())
        client.send(subscribe(order.topic, 1))
      }
      report.connections++
      const cut = new AbortController()
      if (moves) pause(between(random, 5_000, 15_000), undefined, { signal: cut.signal }).then(() => { client.socket.destroy() }, () => undefined)
      const stop = (): void => { client.socket.destroy() }
      stopping.addEventListener('abort', stop)
      await client.closed
      stopping.removeEventListener('abort', stop)
      cut.abort()
    }
  }
})

function note (report: SubscriberReport, packet: Packet & { cmd: 'publish' }): void {
  report.received++
  const kind = /^(?:agent|stored)\/(message|disconnected)(?:$|\/chaos-)/.exec(packet.topic)?.[1]
  if (kind === undefined || packet.payload.length > longestPayload) return
  const { agent, metrics } = JSON.parse(packet.payload.toString()) as { agent: { uuid: string }, metrics?: Array<{ value: unknown }> }
  if (kind === 'disconnected') report.goodbyes.set(agent.uuid, (report.goodbyes.get(agent.uuid) ?? 0) + 1)
  else report.goodbyes.delete(agent.uuid)
  const value = metrics?.[0]?.value
  if (typeof value !== 'number' || kindOf(agent.uuid) === undefined) return
  let counts = report.heard.get(agent.uuid) ?? new Uint8Array(1024)
  if (value >= counts.length) {
    const longer = new Uint8Array(2 ** Math.ceil(Math.log2(value + 1)))
    longer.set(counts)
    counts = longer
  }
  counts[value] = Math.min(255, (counts[value] ?? 0) + 1)
  report.heard.set(agent.uuid, counts)
}

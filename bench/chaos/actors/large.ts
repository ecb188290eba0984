import { setPriority } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import type { Packet } from 'mqtt-packet'
import { openClient, publish, subscribe } from '../client.ts'
import { between, randomOf } from '../random.ts'
import { serve } from '../actor.ts'

/** Large payloads: messages with unknown fields, retained messages, sessions of clients that are away. */

export interface LargeOrder { port: number, seed: number, every: number }

/** Packets sent, and how many of them were acknowledged. */
export interface LargeReport { unknown: number, retained: number, offline: number, acknowledged: number }

const localAddress = '127.0.2.3'
/** Below `packetBytes`. */
const bytes = 2_000_000
const topics = 500
/** So many that they fill all the room for what waits, and leave an honest subscriber its share of it. */
const sessions = 20

await serve<LargeOrder>(async ({ order: { port, seed, every }, stopping, answer }) => {
  setPriority(10)
  const random = randomOf(seed)
  const report: LargeReport = { unknown: 0, retained: 0, offline: 0, acknowledged: 0 }
  answer(() => report)
  const unknown = `[${'{},'.repeat(Math.floor(bytes / 3))}{}]`
  const retained = Buffer.alloc(bytes, 'r')
  const waiting = Buffer.alloc(65_536, 'w')
  let number = 0

  const jobs = [
    () => send('unknown', 5, () => publish('agent/message', `{"agent":{"uuid":"whale"},"metrics":[{"type":"n","value":${number++}}],"x":${unknown}}`, 1, 1)),
    () => send('retained', 20, () => publish(`chaos/retained/${number++ % topics}`, retained, 1, 1, { retain: true })),
    async () => {
      const clientId = `chaos-away-${number++ % sessions}`
      const away = await openClient({ port, clientId, clean: false, localAddress })
      away?.send(subscribe('chaos/away', 1))
      await pause(100)
      away?.socket.destroy()
      await send('offline', 100, () => publish('chaos/away', waiting, 1, 1))
    }
  ]
  for (let i = 0; !stopping.aborted; i++) {
    await pause(every * 1000 * between(random, 0.7, 1.3), undefined, { signal: stopping }).catch(() => undefined)
    if (!stopping.aborted) await jobs[i % jobs.length]?.()
  }

  /** Send `count` packets at once, and wait until they are acknowledged, the connection closes, or 20 s pass. */
  async function send (what: 'unknown' | 'retained' | 'offline', count: number, make: () => Packet): Promise<void> {
    const client = await openClient({ port, clientId: 'chaos-large', localAddress })
    if (client === undefined) return
    let missing = count
    const done = new Promise<void>(resolve => {
      client.onPacket = ({ cmd }) => {
        if (cmd !== 'puback') return
        report.acknowledged++
        if (--missing === 0) resolve()
      }
    })
    for (let id = 1; id <= count && !client.socket.destroyed; id++) {
      client.send({ ...make(), messageId: id } as Packet)
      report[what]++
      // The socket's own buffer would hold them all.
      if (client.socket.writableNeedDrain) await Promise.race([client.closed, pause(10_000), new Promise(resolve => { client.socket.once('drain', resolve) })])
    }
    await Promise.race([done, client.closed, pause(20_000)])
    client.socket.destroy()
  }
})

import { setTimeout as pause } from 'node:timers/promises'
import type { Packet } from 'mqtt-packet'
import { openClient, publish, type Client } from '../client.ts'
import { serve } from '../actor.ts'

/** One well-behaved client, and one editor: how long they wait, ms. */

export interface HonestOrder { port: number, editor: string }

export interface Latency { at: number, ms: number }

export interface HonestReport {
  ping: Latency[]
  /** QoS 1 to a plain topic, until PUBACK. */
  publish: Latency[]
  editor: Latency[]
  /** How late this process's own timers were: the machine, not the broker. */
  own: Latency[]
}

/** ms; an answer that does not come is counted with it. */
const patience = 10_000

await serve<HonestOrder>(async ({ order, stopping, answer }) => {
  const report: HonestReport = { ping: [], publish: [], editor: [], own: [] }
  answer(() => report)
  await Promise.all([
    asked('ping', 100, async client => { await reply(client, { cmd: 'pingreq' }, 'pingresp') }),
    asked('publish', 100, async client => { await reply(client, publish('chaos/honest', 'x'.repeat(100), 1, 1), 'puback') }),
    looked(), late()
  ])

  async function asked (what: 'ping' | 'publish', every: number, ask: (client: Client) => Promise<void>): Promise<void> {
    while (!stopping.aborted) {
      const client = await openClient({ port: order.port, clientId: `chaos-honest-${what}` })
      while (client !== undefined && !client.socket.destroyed && !stopping.aborted) {
        const at = Date.now()
        const start = performance.now()
        await Promise.race([ask(client), client.closed, pause(patience)])
        if (!client.socket.destroyed) report[what].push({ at, ms: performance.now() - start })
        await pause(every)
      }
      client?.socket.destroy()
      await pause(100)
    }
  }

  async function looked (): Promise<void> {
    while (!stopping.aborted) {
      const at = Date.now()
      const start = performance.now()
      const ok = await fetch(new URL('settings', order.editor), { signal: AbortSignal.timeout(patience) }).then(async response => { await response.text(); return true }, () => false)
      // Refused at once: nobody is there.
      if (ok || performance.now() - start >= patience) report.editor.push({ at, ms: performance.now() - start })
      await pause(250)
    }
  }

  async function late (): Promise<void> {
    while (!stopping.aborted) {
      const at = Date.now()
      const start = performance.now()
      await pause(50)
      report.own.push({ at, ms: performance.now() - start - 50 })
    }
  }
})

function reply (client: Client, packet: Packet, expected: Packet['cmd']): Promise<void> {
  return new Promise(resolve => {
    client.onPacket = ({ cmd }) => { if (cmd === expected) resolve() }
    client.send(packet)
  })
}

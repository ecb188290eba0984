import { setTimeout as pause } from 'node:timers/promises'
import { openClient, subscribe } from '../client.ts'
import { between, randomOf } from '../random.ts'
import { serve } from '../actor.ts'

/** Subscribers that come and go with their sockets cut, and one that stops reading. */

export interface GuestsOrder { port: number, seed: number, count: number }

export interface GuestsReport { visits: number }

const localAddress = '127.0.2.2'

await serve<GuestsOrder>(async ({ order: { port, seed, count }, stopping, answer }) => {
  const report: GuestsReport = { visits: 0 }
  answer(() => report)
  await Promise.all([deaf(), ...Array.from({ length: count }, (_, i) => come(i))])

  async function come (i: number): Promise<void> {
    const random = randomOf(seed + i)
    while (!stopping.aborted) {
      const guest = await openClient({ port, clientId: `chaos-guest-${i}`, clean: random() < 0.8, localAddress }, (packet, { socket, send }) => {
        if (packet.cmd === 'publish' && packet.qos === 1 && packet.messageId !== undefined && !socket.destroyed) send({ cmd: 'puback', messageId: packet.messageId })
      })
      if (guest === undefined) {
        await pause(500)
        continue
      }
      report.visits++
      guest.send(subscribe('agent/#', random() < 0.5 ? 0 : 1))
      await Promise.race([guest.closed, pause(between(random, 300, 3_000))])
      if (random() < 0.5) guest.socket.resetAndDestroy()
      else guest.socket.destroy()
    }
  }

  async function deaf (): Promise<void> {
    while (!stopping.aborted) {
      const guest = await openClient({ port, clientId: 'chaos-deaf', localAddress })
      guest?.send(subscribe('#', 1))
      await pause(100)
      guest?.socket.pause()
      // A socket that is not read does not say that it was closed: look again after a while.
      await pause(15_000, undefined, { signal: stopping }).catch(() => undefined)
      guest?.socket.destroy()
    }
  }
})

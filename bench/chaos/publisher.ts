import { setTimeout as pause } from 'node:timers/promises'
import { connect as connectSocket } from 'node:net'
import { generate, type Packet } from 'mqtt-packet'
import { connectPacket, openClient, publish, type Client, type Will } from './client.ts'
import { agentOf, kinds, type Kind, type KindName } from './kinds.ts'
import type { Ledger } from './ledger.ts'
import { between, type Random } from './random.ts'

export interface PublisherOptions {
  port: number
  topic: string
  kind: KindName
  number: number
  /** Messages a second. */
  rate: number
  /** Most unacknowledged messages. */
  window: number
  random: Random
  ledger: Ledger
  /** Whether it says itself that it is there and, by a last will, that it is gone. */
  announces: boolean
}

export interface PublisherReport { sent: number, resent: number, lost: number, open: number }

interface Open { seq: number, payload: string, sentAt: number, resends: number, released: boolean }

const tick = 20

/**
 * An agent that says each thing once, and again only when its connection was lost.
 * @param stopping it sends nothing new after that
 * @param patience ms that it then waits for its acknowledgements
 */
export async function runPublisher (options: PublisherOptions, stopping: AbortSignal, patience: number): Promise<PublisherReport> {
  const kind: Kind = kinds[options.kind]
  if (kind.hasty === true) return await runHasty(options, stopping)
  const { port, topic, rate, window, random, ledger, announces } = options
  const uuid = agentOf(options.kind, options.number)
  const open = new Map<number, Open>()
  const report: PublisherReport = { sent: 0, resent: 0, lost: 0, open: 0 }
  let client: Client | undefined
  let seq = 0
  let lastId = 0
  let deadline = Infinity
  const over = (): boolean => stopping.aborted && (open.size === 0 || Date.now() > deadline)

  function nextId (): number {
    do lastId = lastId % 65_535 + 1; while (open.has(lastId))
    return lastId
  }

  function settle (id: number): void {
    const message = open.get(id)
    if (message === undefined || !open.delete(id)) return
    ledger.record({ uuid, seq: message.seq, sentAt: message.sentAt, doneAt: Date.now(), resends: message.resends })
  }

  function onPacket (packet: Packet, client: Client): void {
    const id = packet.messageId ?? 0
    const message = open.get(id)
    if (packet.cmd === 'puback' || packet.cmd === 'pubcomp') settle(id)
    if (packet.cmd !== 'pubrec') return
    if (kind.repeats === true && message !== undefined) {
      // Each copy gets a PUBREC of its own: after the first PUBREL none may follow.
      if (!message.released) repeat(id, message, client)
      return
    }
    if (message !== undefined) message.released = true
    client.send({ cmd: 'pubrel', messageId: id })
  }

  /** The same packet again as its standard allows: with DUP, before the PUBREL [MQTT-4.3.3-1]. */
  function repeat (id: number, message: Open, { socket, send }: Client): void {
    message.released = true
    const copy = publish(topic, message.payload, 2, id, { dup: true })
    const steps: Array<[number, Packet]> = [[50, copy], [150, copy], [50, { cmd: 'pubrel', messageId: id }]]
    // One after another: timers of several lengths may change places when the process was held up.
    const next = (): void => {
      const [step] = steps.splice(0, 1)
      if (step === undefined || socket.destroyed) return
      setTimeout(() => {
        if (!socket.destroyed) send(step[1])
        next()
      }, step[0])
    }
    next()
  }

  function sendNew (count: number): void {
    const packets: Packet[] = []
    for (let i = 0; i < count; i++) {
      const now = Date.now()
      const number = seq++
      const value = kind.copies === undefined ? number : Math.floor(number / kind.copies)
      const payload = payloadOf(uuid, value, kind.timestamp ? now : undefined)
      if (kind.qos === 0) {
        packets.push(publish(topic, payload, 0))
        ledger.record({ uuid, seq: number, sentAt: now, doneAt: now, resends: 0 })
        continue
      }
      const id = nextId()
      open.set(id, { seq: number, payload, sentAt: now, resends: 0, released: false })
      packets.push(publish(topic, payload, kind.qos, id))
      if (kind.repeats === true) packets.push(publish(topic, payload, kind.qos, id, { dup: true }))
    }
    report.sent += count
    if (packets.length > 0) client?.send(...packets)
  }

  function resend (): void {
    for (const [id, message] of open) {
      if (message.released) {
        client?.send({ cmd: 'pubrel', messageId: id })
        continue
      }
      message.resends++
      report.resent++
      client?.send(publish(topic, message.payload, kind.qos, id, { dup: true }))
    }
  }

  const bundle = kind.copies ?? 1
  let due = 0
  const timer = setInterval(() => {
    if (client === undefined || stopping.aborted || client.socket.writableNeedDrain) return
    due = Math.min(due + rate * tick / 1000, Math.max(2 * rate, bundle))
    const count = Math.floor(Math.min(due, kind.qos === 0 ? Infinity : window - open.size) / bundle) * bundle
    if (count <= 0) return
    due -= count
    sendNew(count)
  }, tick)

  const onStop = (): void => { deadline = Date.now() + patience }
  if (stopping.aborted) onStop()
  stopping.addEventListener('abort', onStop)
  const clean = kind.qos < 2 && kind.reconnects !== true
  while (!over()) {
    const timestamp = Date.now()
    const presence = (kind: 'connected' | 'disconnected'): Will => ({ topic: topic.replace(/message$/, kind), payload: JSON.stringify({ agent: agentNamed(uuid), timestamp }) })
    const opened = await openClient({ port, clientId: uuid, clean, ...announces ? { will: presence('disconnected') } : {} }, onPacket)
    if (opened === undefined) {
      await pause(200)
      continue
    }
    client = opened
    if (announces) {
      const { topic, payload } = presence('connected')
      client.send(publish(topic, payload, 1, nextId()))
    }
    resend()
    const cutAt = kind.reconnects === true ? Date.now() + between(random, 2_000, 5_000) : Infinity
    while (!opened.socket.destroyed && !over()) {
      await Promise.race([opened.closed, pause(50)])
      // Not while it says goodbye: what is open has to be settled.
      if (Date.now() > cutAt && !stopping.aborted) opened.socket.destroy()
    }
    client = undefined
    if (!over()) report.lost++
    opened.socket.destroy()
  }
  clearInterval(timer)
  report.open = open.size
  return report
}

/** A sensor on a battery: it waits for nothing, as [MQTT-3.1.4] allows. */
async function runHasty ({ port, topic, kind, number, rate, ledger }: PublisherOptions, stopping: AbortSignal): Promise<PublisherReport> {
  const uuid = agentOf(kind, number)
  const report: PublisherReport = { sent: 0, resent: 0, lost: 0, open: 0 }
  for (let seq = 0; !stopping.aborted; seq++) {
    const sentAt = Date.now()
    const bytes = Buffer.concat([
      connectPacket(uuid),
      generate(publish(topic, payloadOf(uuid, seq, sentAt), 1, 1)),
      generate({ cmd: 'disconnect' } as Packet)
    ])
    const socket = connectSocket({ port, host: '127.0.0.1', noDelay: true })
    let arrived = false
    socket.on('error', () => undefined).on('connect', () => { arrived = true }).resume()
    socket.end(bytes)
    await Promise.race([new Promise<void>(resolve => { socket.once('close', () => { resolve() }) }), pause(60_000)])
    socket.destroy()
    if (arrived) {
      report.sent++
      ledger.record({ uuid, seq, sentAt, doneAt: Date.now(), resends: 0 })
    } else {
      report.lost++
    }
    await pause(1000 / rate)
  }
  return report
}

function agentNamed (uuid: string): object {
  return { uuid, username: 'chaos', name: uuid, hostname: 'chaos', pid: 1 }
}

/** The value says which message it is, as a number and as a text. */
function payloadOf (uuid: string, value: number, timestamp: number | undefined): string {
  return JSON.stringify({
    agent: agentNamed(uuid),
    metrics: [{ type: 'n', value }, { type: 't', value: String(value) }],
    ...timestamp === undefined ? {} : { timestamp }
  })
}

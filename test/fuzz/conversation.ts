import assert from 'node:assert/strict'
import { parser, type IConnectPacket, type Packet } from 'mqtt-packet'
import { until } from '../helpers/events.ts'
import { remoteOptions } from '../helpers/remote-broker.ts'
import { nameOf, type Order, type Said } from '../fixtures/fuzzed-worker.ts'
import { bytesOf, bytesOfItem, type Item, type Session, type Version } from './broker-packets.ts'
import { listen, type Line } from './broker-server.ts'
import { segmentsOf } from './packets.ts'
import { SentMessages } from './sent-messages.ts'

/** What a broker does, connection after connection, before it is an honest one; and when the flow settles what it gets. */
export interface Hostilities {
  transport: 'mqtt' | 'ws'
  version: 'auto' | '5' | '3.1.1'
  group: string
  receiveMaximum: number
  consumer: Session[]
  sender: Session[]
  settling: Array<'now' | 'late' | 'fails first'>
}

/** ms that a session goes on in which nothing more is sent. */
const rest = 40
/** Messages that come once the broker is honest. */
const extra = 8
const patience = 15_000

/** A message that the broker keeps until it is acknowledged. */
interface Kept { name: string, payload: string, packetId: number, wasSent: boolean }

interface Peer { line: Line, version: Version, sent: SentMessages, lastId: number }

type Role = 'consumer' | 'sender'

/** A worker and a broker that is hostile at first. */
export class Conversation {
  readonly #worker: number
  readonly #plan: Hostilities
  readonly #order: (order: Order) => void
  #connections = { consumer: 0, sender: 0 }
  #kept = new Map<string, Kept>()
  #messages = 0
  #packetId = 1_000
  #taken = new Set<string>()
  #settled = new Map<string, number>()
  #acknowledged = new Map<string, number>()
  #late: number[] = []
  #settlesLate = false
  #failed = new Set<string>()
  #deliveries = 0
  #published = 0
  /** QoS of each message that the worker publishes, until that has an end. */
  #publishing = new Map<number, number>()
  #heard = false
  #isHonest = { consumer: false, sender: false }
  #isClosed = false
  #faults: string[] = []

  constructor (worker: number, plan: Hostilities, order: (order: Order) => void) {
    this.#worker = worker
    this.#plan = plan
    this.#order = order
  }

  /** Resolves when the honest broker was served, and the worker is closed. */
  async run (): Promise<void> {
    const { transport, version, group, receiveMaximum } = this.#plan
    const server = await listen(transport, line => { this.#accept(line) })
    let isServed = false
    try {
      const options = remoteOptions(`${transport}://127.0.0.1:${server.port}`, { version, group, receiveMaximum, keepalive: 20, clientId: `worker-${this.#worker}` })
      this.#order({ order: 'open', worker: this.#worker, options })
      await this.#wait(() => this.#isHonest.sender && this.#isHonest.consumer, isSo => isSo)
      this.#settleLate()
      await this.#wait(() => [...this.#kept.values()], all => all.length === 0 && this.#messages >= extra)
      await this.#wait(() => [...this.#publishing], all => all.length === 0)
      await this.#wait(() => this.#heard, isSo => isSo)
      for (const qos of [0, 1, 2] as const) this.#publish(qos)
      isServed = true
    } finally {
      this.#order({ order: 'close', worker: this.#worker })
      const isOver = (): boolean => this.#isClosed && server.open.size === 0 && (this.#publishing.size === 0 || !isServed)
      await until(isOver, is => is, patience)
        .catch((error: unknown) => { if (isServed) throw error })
      server.close()
    }
  }

  async #wait<T> (ask: () => T, test: (value: T) => boolean): Promise<void> {
    await until(ask, value => {
      assert.deepEqual(this.#faults, [])
      return test(value)
    }, patience).catch((error: unknown) => { throw new Error(`${String(error)}: ${JSON.stringify([this.#connections, this.#isHonest, this.#heard])}`) })
  }

  hear (said: Exclude<Said, { said: 'ready' | 'usage' | 'fault' }>): void {
    if (said.said === 'closed') this.#isClosed = true
    else if (said.said === 'heard') this.#heard ||= said.message === finalName
    else if (said.said === 'published') {
      this.#publishing.delete(said.number)
      if (said.code !== undefined && said.code !== 'PUBLISH_FAILED') this.#faults.push(`published: ${said.code}`)
    } else this.#took(said.delivery, said.message)
  }

  #took (delivery: number, message: string): void {
    this.#taken.add(message)
    const { settling } = this.#plan
    const how = !this.#settlesLate ? 'now' : settling[this.#deliveries++ % settling.length]
    this.#names.set(delivery, message)
    if (how === 'late') this.#late.push(delivery)
    else if (how === 'fails first' && !this.#failed.has(message)) {
      this.#failed.add(message)
      this.#order({ order: 'settle', delivery, fails: true })
    } else this.#settle(delivery)
  }

  readonly #names = new Map<number, string>()

  #settleLate (): void {
    this.#settlesLate = false
    for (const delivery of this.#late.splice(0)) this.#settle(delivery)
  }

  #settle (delivery: number): void {
    const name = this.#names.get(delivery) as string
    this.#names.delete(delivery)
    add(this.#settled, name)
    this.#order({ order: 'settle', delivery, fails: false })
  }

  #accept (line: Line): void {
    const packets = parser()
    let peer: Peer | undefined
    let act: ((packet: Packet) => void) | undefined
    packets.on('error', error => { this.#faults.push(`the worker sent what is not MQTT: ${String(error)}`) })
    packets.on('packet', (packet: Packet) => {
      if (packet.cmd === 'connect') {
        const version = packet.protocolVersion === 5 ? 5 : 4
        peer = { line, version, sent: new SentMessages(version, version === 5 || this.#plan.group !== ''), lastId: 1 }
        act = this.#begin(peer, packet)
        return
      }
      if (peer !== undefined && packet.messageId !== undefined) peer.lastId = packet.messageId
      act?.(packet)
    })
    line.heard(bytes => { packets.parse(bytes) })
  }

  #begin (peer: Peer, { clientId }: IConnectPacket): (packet: Packet) => void {
    const role = clientId.endsWith('-send') ? 'sender' : 'consumer'
    const number = this.#connections[role]++
    const session = this.#plan[role][number]
    if (session !== undefined) return this.#harm(peer, role, session)
    return role === 'sender' ? this.#serveSender(peer) : this.#serveConsumer(peer)
  }

  #harm (peer: Peer, role: Role, session: Session): (packet: Packet) => void {
    const { line: { socket } } = peer
    let end: NodeJS.Timeout | undefined
    const finish = (ms: number): void => {
      clearTimeout(end)
      end = setTimeout(() => {
        if (session.end === 'reset') socket.resetAndDestroy()
        else peer.line.end()
        // A worker that reads nothing more until something is settled does not see the end either.
        if (role === 'consumer') setTimeout(() => { this.#settleLate() }, rest)
      }, ms)
    }
    if (role === 'consumer') {
      this.#settleLate()
      this.#settlesLate = true
    }
    if (role === 'sender') for (const qos of [1, 0, 2] as const) this.#publish(qos)
    let wasAsked = false
    finish(3 * rest)
    const sending = this.#send(peer, role, session, [...session.first, ...session.early])
    return packet => {
      if (packet.cmd === 'puback' && role === 'consumer') this.#checkAcknowledgement(peer, packet.messageId)
      if (packet.cmd === 'disconnect' || packet.cmd !== 'subscribe' || wasAsked) return
      wasAsked = true
      void sending.then(() => this.#send(peer, role, session, [...session.answer, ...session.late])).then(() => { finish(session.end === 'stay' ? rest : 0) })
    }
  }

  async #send (peer: Peer, role: Role, session: Session, items: Item[]): Promise<void> {
    const wasSent = new Set<Kept>()
    const bytes = Buffer.concat(items.map(item => {
      if (item.kind !== 'kept') return bytesOfItem(item, peer.version, peer.lastId)
      if (role === 'sender') return bytesOf({ cmd: 'publish', topic: 'heard/a', payload: 'x', qos: 1, messageId: 31, dup: false, retain: false }, peer.version, 1)
      const message = [...this.#kept.values()].find(kept => !wasSent.has(kept)) ?? this.#make()
      wasSent.add(message)
      return this.#bytesOf(peer.version, message, session.ids, item.dup)
    }))
    for (const [i, segment] of segmentsOf(bytes, session.cuts).entries()) {
      if (peer.line.socket.destroyed) return
      this.#write(peer, segment, session.framing[i % session.framing.length])
      await new Promise(resolve => setImmediate(resolve))
    }
  }

  #write ({ line, sent }: Peer, bytes: Buffer, framing: Session['framing'][number] = 'right'): void {
    // What the worker may take has to be known before it acknowledges it.
    sent.write(bytes)
    if (!line.write(bytes, framing)) sent.end()
  }

  #make (): Kept {
    const payload = JSON.stringify({ agent: { uuid: 'honest' }, worker: this.#worker, number: this.#messages++ })
    const message = { name: nameOf('agent/message', Buffer.from(payload)), payload, packetId: 0, wasSent: false }
    this.#kept.set(message.name, message)
    return message
  }

  #bytesOf (version: Version, message: Kept, ids: Session['ids'], dup: 'right' | 'wrong'): Buffer {
    if (ids === 'new' || !message.wasSent) message.packetId = this.#packetId++
    const isAgain = message.wasSent
    message.wasSent = true
    return bytesOf({ cmd: 'publish', topic: 'agent/message', payload: message.payload, qos: 1, messageId: message.packetId, dup: dup === 'right' ? isAgain : !isAgain, retain: false }, version, 1)
  }

  #checkAcknowledgement ({ sent }: Peer, messageId = -1): void {
    const all = sent.acknowledged(messageId)
    const right = all.find(({ name, needsSettling }) => !needsSettling || (this.#settled.get(name) ?? 0) > (this.#acknowledged.get(name) ?? 0))
    if (right === undefined) {
      this.#faults.push(all.length === 0 ? `PUBACK ${messageId} is of no message, or not in its turn` : `PUBACK ${messageId} of what is not settled`)
      return
    }
    if (right.needsSettling) add(this.#acknowledged, right.name)
    this.#kept.delete(right.name)
    if (!this.#taken.has(right.name) && right.needsSettling) this.#faults.push(`PUBACK ${messageId} of what never reached the flow`)
  }

  #publish (qos: 0 | 1 | 2): void {
    const number = this.#published++
    this.#publishing.set(number, qos)
    this.#order({ order: 'publish', worker: this.#worker, number, qos })
  }

  #serveConsumer (peer: Peer): (packet: Packet) => void {
    this.#isHonest.consumer = true
    const send = (packet: object): void => { this.#write(peer, bytesOf(packet, peer.version, 1)) }
    const give = (message: Kept): void => { this.#write(peer, this.#bytesOf(peer.version, message, 'new', 'right')) }
    send({ cmd: 'connack', sessionPresent: true, returnCode: 0, reasonCode: 0 })
    for (const message of this.#kept.values()) give(message)
    return packet => {
      if (packet.cmd === 'subscribe') {
        send({ cmd: 'suback', messageId: packet.messageId, granted: packet.subscriptions.map(() => 1) })
        for (let i = 0; i < extra; i++) give(this.#make())
      } else if (packet.cmd === 'puback') this.#checkAcknowledgement(peer, packet.messageId)
      else if (packet.cmd === 'pingreq') send({ cmd: 'pingresp' })
    }
  }

  #serveSender (peer: Peer): (packet: Packet) => void {
    const send = (packet: object): void => { this.#write(peer, bytesOf(packet, peer.version, 1)) }
    if (!this.#isHonest.sender) for (const qos of [0, 1, 2] as const) this.#publish(qos)
    this.#isHonest.sender = true
    send({ cmd: 'connack', sessionPresent: false, returnCode: 0, reasonCode: 0 })
    return packet => {
      if (packet.cmd === 'subscribe') {
        send({ cmd: 'suback', messageId: packet.messageId, granted: packet.subscriptions.map(() => 1) })
        if (packet.subscriptions.some(({ topic }) => topic === 'heard/#')) send({ cmd: 'publish', topic: final.topic, payload: final.payload, qos: 1, messageId: 5, dup: false, retain: false })
      } else if (packet.cmd === 'publish' && packet.qos > 0) send({ cmd: packet.qos === 1 ? 'puback' : 'pubrec', messageId: packet.messageId })
      else if (packet.cmd === 'pubrel') send({ cmd: 'pubcomp', messageId: packet.messageId })
      else if (packet.cmd === 'unsubscribe') send({ cmd: 'unsuback', messageId: packet.messageId, granted: packet.unsubscriptions.map(() => 0) })
      else if (packet.cmd === 'pingreq') send({ cmd: 'pingresp' })
    }
  }
}

const final = { topic: 'heard/last', payload: 'the last one' }
const finalName = nameOf(final.topic, Buffer.from(final.payload))

function add (counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import {
  generate, parser, type IConnackPacket, type IConnectPacket, type IDisconnectPacket, type IPublishPacket, type ISubackPacket, type ISubscription, type IUnsubackPacket,
  type Packet, type PacketCmd
} from 'mqtt-packet'

/** A packet of the broker, with its bytes. */
export type Heard<T extends Packet = Packet> = T & { raw: Buffer }
export type Message = Heard<IPublishPacket>
type Acknowledgement = Packet & { messageId: number, reasonCode?: number, properties?: { reasonString?: string, userProperties?: object } }
type Of<C extends PacketCmd> =
  C extends 'publish' ? IPublishPacket : C extends 'connack' ? IConnackPacket : C extends 'suback' ? ISubackPacket & { granted: number[] } :
  C extends 'unsuback' ? IUnsubackPacket : C extends 'disconnect' ? IDisconnectPacket : Acknowledgement

export type ConnectOptions = Partial<Omit<IConnectPacket, 'cmd' | 'clientId'>>
export interface PublishOptions { qos?: 0 | 1 | 2, retain?: boolean, dup?: boolean, messageId?: number, properties?: NonNullable<IPublishPacket['properties']> }

/** How long a peer waits for what has to come, in ms. */
const patience = 10_000

/** A client on a bare socket, of MQTT 5 or another version, that answers nothing by itself. */
export class Peer {
  /** Everything that came, in order. */
  readonly heard: Heard[] = []
  connack!: IConnackPacket
  #unread: Heard[] = []
  #socket: Duplex
  #version: number
  #bytes = Buffer.alloc(0)
  #fault: Error | undefined
  #closed = false
  #wake = new Set<() => void>()
  #nextId = 1_000

  /** @param socket that is open */
  constructor (socket: Duplex, version = 5) {
    this.#socket = socket
    this.#version = version
    const reader = parser({ protocolVersion: version })
    let raw: Buffer
    reader.on('packet', packet => {
      const heard = Object.assign(packet, { raw })
      this.heard.push(heard)
      this.#unread.push(heard)
    })
    reader.on('error', fault => { this.#fault = fault as Error })
    socket.on('data', data => {
      this.#bytes = Buffer.concat([this.#bytes, data])
      for (let length; (length = packetLength(this.#bytes)) <= this.#bytes.length;) {
        raw = this.#bytes.subarray(0, length)
        this.#bytes = this.#bytes.subarray(length)
        reader.parse(raw)
      }
      this.#tell()
    })
    socket.on('error', () => undefined).on('close', () => {
      this.#closed = true
      this.#tell()
    })
  }

  static async open (port: number, version = 5): Promise<Peer> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const peer = new Peer(socket, version)
    await new Promise((resolve, reject) => { socket.once('connect', resolve).once('error', reject) })
    return peer
  }

  get closed (): boolean { return this.#closed }

  write (bytes: Buffer): void { this.#socket.write(bytes) }

  send (packet: Packet): void { this.write(generate(packet, { protocolVersion: this.#version })) }

  /** CONNECT with Clean Start unless the options say otherwise. Resolves with the CONNACK, whatever it says. */
  async connect (clientId: string, options: ConnectOptions = {}): Promise<Heard<IConnackPacket>> {
    const protocolVersion = this.#version as 3 | 4 | 5
    this.send({ cmd: 'connect', protocolId: protocolVersion === 3 ? 'MQIsdp' : 'MQTT', protocolVersion, clientId, clean: true, keepalive: 0, ...options })
    const connack = await this.next('connack')
    this.connack = connack
    return connack
  }

  /** The first packet of the kind that was not asked for yet. */
  async next<C extends PacketCmd> (cmd: C, messageId?: number): Promise<Heard<Of<C> & Packet>> {
    const found = (): number => this.#unread.findIndex(packet => packet.cmd === cmd && (messageId === undefined || packet.messageId === messageId))
    await this.#until(() => found() >= 0, () => `${cmd}${messageId === undefined ? '' : ` ${messageId}`}`)
    return this.#unread.splice(found(), 1)[0] as Heard<Of<C> & Packet>
  }

  message (): Promise<Message> { return this.next('publish') as Promise<Message> }

  async messages (count: number): Promise<Message[]> {
    const messages = []
    while (messages.length < count) messages.push(await this.message())
    return messages
  }

  /** The messages before the one with this payload, which is the last that has to come. */
  async through (payload: string): Promise<Message[]> {
    const messages = []
    for (;;) {
      const message = await this.message()
      if (String(message.payload) === payload) return messages
      messages.push(message)
    }
  }

  /** What has come by the time that a PINGREQ is answered. */
  async settled (): Promise<Message[]> {
    this.send({ cmd: 'pingreq' })
    await this.next('pingresp')
    const messages = this.#unread.filter(({ cmd }) => cmd === 'publish')
    this.#unread = this.#unread.filter(({ cmd }) => cmd !== 'publish')
    return messages as Message[]
  }

  async subscribe (what: string | ISubscription | ISubscription[], subscriptionIdentifier?: number): Promise<number[]> {
    const subscriptions = typeof what === 'string' ? [{ topic: what, qos: 2 as const }] : [what].flat()
    const messageId = this.#nextId++
    this.send({ cmd: 'subscribe', messageId, subscriptions, ...subscriptionIdentifier !== undefined && { properties: { subscriptionIdentifier } } })
    return (await this.next('suback', messageId)).granted
  }

  async unsubscribe (...unsubscriptions: string[]): Promise<number[]> {
    const messageId = this.#nextId++
    this.send({ cmd: 'unsubscribe', messageId, unsubscriptions })
    return (await this.next('unsuback', messageId)).granted
  }

  /** Publish to the end of its QoS. Resolves with the code of PUBACK or PUBREC; of QoS 0 with 0, once a PINGREQ behind it is answered. */
  async publish (topic: string, payload: string | Buffer, { qos = 0, messageId = this.#nextId++, ...options }: PublishOptions = {}): Promise<number> {
    this.send({ cmd: 'publish', topic, payload, qos, retain: false, dup: false, ...qos > 0 && { messageId }, ...options })
    if (qos === 0) {
      this.send({ cmd: 'pingreq' })
      await this.next('pingresp')
      return 0
    }
    const { reasonCode = 0 } = await this.next(qos === 1 ? 'puback' : 'pubrec', messageId)
    if (qos === 1 || reasonCode >= 0x80) return reasonCode
    this.send({ cmd: 'pubrel', messageId })
    await this.next('pubcomp', messageId)
    return reasonCode
  }

  /** Acknowledge to the end of its QoS. */
  async acknowledge ({ qos, messageId }: Message): Promise<void> {
    if (qos === 1) this.send({ cmd: 'puback', messageId: messageId! })
    if (qos !== 2) return
    this.send({ cmd: 'pubrec', messageId: messageId! })
    await this.next('pubrel', messageId)
    this.send({ cmd: 'pubcomp', messageId: messageId! })
  }

  /** Resolves when the broker has hung up: with the code of its DISCONNECT, after which nothing may follow, or nothing. */
  async hungUp (): Promise<number | undefined> {
    await this.#until(() => this.#closed, () => 'the end of the connection')
    const at = this.heard.findIndex(({ cmd }) => cmd === 'disconnect')
    if (at < 0) return undefined
    if (at < this.heard.length - 1) throw new Error(`after DISCONNECT came ${this.heard.slice(at + 1).map(({ cmd }) => cmd)} [MQTT-3.14.4-1]`)
    return (this.heard[at] as IDisconnectPacket).reasonCode ?? 0
  }

  /** DISCONNECT, and resolve when the broker has hung up. */
  async end (reasonCode = 0, properties?: IDisconnectPacket['properties']): Promise<void> {
    this.send({ cmd: 'disconnect', reasonCode, ...properties && { properties } })
    this.#socket.end()
    await this.#until(() => this.#closed, () => 'the end of the connection')
  }

  /** Close without a word. */
  cut (): void { this.#socket.destroy() }

  #tell (): void { for (const wake of this.#wake) wake() }

  async #until (isSo: () => boolean, what: () => string): Promise<void> {
    const end = performance.now() + patience
    while (!isSo()) {
      if (this.#fault !== undefined) throw new Error(`what came is not MQTT: ${this.#fault.message}`)
      const came = (): string => this.heard.map(({ cmd }) => cmd).join(', ') || 'nothing'
      if (this.#closed) throw new Error(`hung up instead of ${what()}; before it came ${came()}`)
      const left = end - performance.now()
      if (left <= 0) throw new Error(`no ${what()} within ${patience} ms; there came ${came()}`)
      await new Promise<void>(resolve => {
        const timer = setTimeout(wake, left)
        const wakers = this.#wake.add(wake)
        function wake (): void {
          clearTimeout(timer)
          wakers.delete(wake)
          resolve()
        }
      })
    }
  }
}

/** Of the first packet in full; Infinity while its length is unknown. */
function packetLength (bytes: Buffer): number {
  let length = 0
  for (let at = 1; at < Math.min(bytes.length, 5); at++) {
    length += (bytes[at]! & 127) * 128 ** (at - 1)
    if (bytes[at]! < 128) return at + 1 + length
  }
  return Infinity
}

import type { TestContext } from 'node:test'
import {
  generate, parser, type IConnackPacket, type IConnectPacket, type IPublishPacket, type ISubackPacket, type Packet, type PacketCmd
} from 'mqtt-packet'
import { closing, until } from './events.ts'
import { rawSocket } from './raw-client.ts'

export interface ManualClientOptions extends Partial<Omit<IConnectPacket, 'cmd' | 'clientId'>> {
  /** Acknowledge every PUBLISH as it comes. Default false. */
  acknowledges?: boolean
}

/** An MQTT client that acknowledges what and when the test says. */
export interface ManualClient {
  readonly connack: IConnackPacket
  /** Every PUBLISH, in the order of receipt. */
  readonly received: IPublishPacket[]
  /** Every packet, in the order of receipt. */
  readonly packets: Packet[]
  readonly closed: boolean
  send (packet: Packet): void
  /** Resolves with what the broker says, or with nothing where it hangs up instead. */
  subscribe (filter: string, qos?: 0 | 1 | 2): Promise<ISubackPacket | undefined>
  unsubscribe (filter: string): Promise<void>
  /** Resolves when it is acknowledged (at once with QoS 0): true, or false where the broker hangs up instead. */
  publish (topic: string, payload: string | Buffer, options?: { qos?: 0 | 1 | 2, retain?: boolean }): Promise<boolean>
  /** PUBACK to these packet ids, in this order. */
  acknowledge (...ids: number[]): void
  /** Resolves with all that was received up to now, once there are `count` of them. */
  atLeast (count: number, ms?: number): Promise<IPublishPacket[]>
  /** Resolves with what had come when the broker answered a PINGREQ: nothing that it could have sent before is missing. */
  settled (): Promise<IPublishPacket[]>
  /** DISCONNECT, and close. */
  end (): Promise<void>
  /** Close without a word. */
  cut (): void
}

/** Connect to a broker on loopback. Throws when it is refused. */
export async function manualClient (
  t: Pick<TestContext, 'after'>, port: number, clientId: string, { acknowledges = false, ...options }: ManualClientOptions = {}
): Promise<ManualClient> {
  const socket = await rawSocket(t, port)
  const version = options.protocolVersion ?? 4
  const packets: Packet[] = []
  const received: IPublishPacket[] = []
  let closed = false
  let nextId = 0

  const send = (packet: Packet): void => { if (!closed) socket.write(generate(packet, { protocolVersion: version })) }
  const acknowledge = (...ids: number[]): void => { for (const messageId of ids) send({ cmd: 'puback', messageId }) }
  const find = <T extends Packet>(cmd: PacketCmd, messageId?: number, from = 0): T | undefined =>
    packets.slice(from).find(packet => packet.cmd === cmd && (messageId === undefined || packet.messageId === messageId)) as T | undefined
  const answer = async <T extends Packet>(cmd: PacketCmd, messageId?: number, from = 0): Promise<T | undefined> => {
    await until(() => closed || find(cmd, messageId, from) !== undefined, is => is)
    return find<T>(cmd, messageId, from)
  }

  const reader = parser({ protocolVersion: version })
  reader.on('packet', (packet: Packet) => {
    packets.push(packet)
    if (packet.cmd !== 'publish') return
    received.push(packet)
    if (acknowledges && packet.qos === 1) acknowledge(packet.messageId as number)
  })
  socket.on('data', bytes => { reader.parse(bytes) }).on('close', () => { closed = true })

  send({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: version, clientId, clean: true, keepalive: 0, ...options })
  const connack = await answer<IConnackPacket>('connack')
  const code = connack?.returnCode ?? connack?.reasonCode
  if (connack === undefined || code !== 0) throw new Error(`${clientId} was refused: ${connack === undefined ? 'no CONNACK' : `code ${code}`}`)

  return {
    connack,
    received,
    packets,
    get closed () { return closed },
    send,
    acknowledge,
    subscribe (topic, qos = 1) {
      const messageId = ++nextId
      send({ cmd: 'subscribe', messageId, subscriptions: [{ topic, qos }] })
      return answer<ISubackPacket>('suback', messageId)
    },
    async unsubscribe (filter) {
      const messageId = ++nextId
      send({ cmd: 'unsubscribe', messageId, unsubscriptions: [filter] })
      await answer('unsuback', messageId)
    },
    async publish (topic, payload, { qos = 1, retain = false } = {}) {
      const messageId = ++nextId
      send({ cmd: 'publish', topic, payload, qos, retain, dup: false, ...qos > 0 && { messageId } })
      if (qos === 0) return true
      if (qos === 1) return await answer('puback', messageId) !== undefined
      if (await answer('pubrec', messageId) === undefined) return false
      send({ cmd: 'pubrel', messageId })
      return await answer('pubcomp', messageId) !== undefined
    },
    async atLeast (count, ms) {
      await until(() => received.length, length => length >= count || closed, ms)
      return [...received]
    },
    async settled () {
      const from = packets.length
      send({ cmd: 'pingreq' })
      await answer('pingresp', undefined, from)
      return [...received]
    },
    async end () {
      if (closed) return
      send({ cmd: 'disconnect' })
      socket.end()
      await closing(socket)
    },
    cut () { socket.destroy() }
  }
}

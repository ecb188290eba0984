import { fork, type ChildProcess } from 'node:child_process'
import { connect as connectSocket } from 'node:net'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connect as connectLater, connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import mqttPacket, { type Packet } from 'mqtt-packet'
import { openPersistentBroker, type Options, type PersistentBroker } from '../fixtures/persistent-broker.ts'
import { once, until, waitFor } from './events.ts'

export const limits = { retainedMessages: 1_000, offlineMessages: 1_000, offlineBytes: 1_000_000, retainedBytes: 0, offlineTotalBytes: 0, sessionExpiry: 0 }
const program = fileURLToPath(new URL('../fixtures/persistent-broker.ts', import.meta.url))

export async function openBroker (t: TestContext, options: Options): Promise<PersistentBroker> {
  const broker = await openPersistentBroker(options)
  t.after(() => broker.close())
  return broker
}

/** A broker in a process of its own, to be killed. */
export async function forkBroker (t: TestContext, options: Options): Promise<{ process: ChildProcess, port: number, refused?: string, kill: () => Promise<void> }> {
  const child = fork(program, [JSON.stringify(options)])
  const exit = once(child, 'exit')
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exit
  }
  t.after(kill)
  return { process: child, kill, ...await waitFor<{ port: number, refused?: string }>(child, 'message') }
}

export async function connect (t: TestContext, port: number, options: IClientOptions = {}): Promise<MqttClient> {
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, ...options })
  client.on('error', () => undefined)
  t.after(() => { client.end(true) })
  return client
}

/** The topics that have a retained message, with its bytes. */
export async function retainedTopics (t: TestContext, { port, persistence }: PersistentBroker): Promise<Array<[string, number]>> {
  const { client, got } = await receive(t, port, {})
  await client.subscribeAsync('+')
  await until(() => got.length, count => count === persistence.counters.retained)
  await client.endAsync()
  return got.map(({ topic, payload }): [string, number] => [topic, payload.length]).sort()
}

type Got = { topic: string, payload: string, qos: number, retain: boolean, dup: boolean }

/** Connects, and keeps what comes from the first packet on. */
export async function receive (t: TestContext, port: number, options: IClientOptions): Promise<{ client: MqttClient, got: Got[] }> {
  const got: Got[] = []
  const client = connectLater(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, ...options })
  t.after(() => { client.end(true) })
  client.on('message', (topic, payload, { qos, retain, dup }) => got.push({ topic, payload: payload.toString(), qos, retain, dup }))
  await once(client, 'connect')
  return { client, got }
}

/** A client that answers nothing by itself. */
export async function speak (t: TestContext, port: number, clientId: string, will?: { topic: string, payload: Buffer }, clean = false) {
  const socket = connectSocket(port, '127.0.0.1')
  t.after(() => { socket.destroy() })
  const packets: Packet[] = []
  const parser = mqttPacket.parser().on('packet', packet => { packets.push(packet) })
  socket.on('error', () => undefined).on('data', data => { parser.parse(data) })
  const send = (packet: Packet): void => { socket.write(mqttPacket.generate(packet)) }
  /** The next packet of the kind. */
  const next = async (cmd: string): Promise<Packet & { messageId?: number }> => {
    await until(() => packets.map(packet => packet.cmd), cmds => cmds.some(one => one === cmd))
    return packets.splice(packets.findIndex(packet => packet.cmd === cmd), 1)[0]!
  }
  send({ cmd: 'connect', clientId, clean, keepalive: 0, protocolId: 'MQTT', protocolVersion: 4, ...will === undefined ? {} : { will: { qos: 1, retain: false, ...will } } })
  await next('connack')
  return { socket, packets, send, next }
}

/** Subscribes as a client that wants its session to be kept, and goes. */
export async function leaveSession (t: TestContext, port: number, clientId: string, filters: string | string[], qos: 0 | 1 | 2): Promise<void> {
  const client = await connect(t, port, { clientId, clean: false })
  await client.subscribeAsync(filters, { qos })
  await client.endAsync()
}

export const payloads = (got: Got[]): string[] => got.map(({ payload }) => payload)

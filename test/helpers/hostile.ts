import type { Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { generate, type Packet } from 'mqtt-packet'
import type { NodeRed } from './node-red.ts'

/** What an attack has: the ports of brokers in a real Node-RED, that itself, and numbers. */
export interface Ports { tcp: number, ws: number, http: number, tls: number, wss: number, asked: number }
export interface Hostile { ports: Ports, nodeRed: NodeRed, random: Random }

export const seed = 20_261_128
/** ms of each fuzz. */
const fuzzing = 3_000

/** The same numbers in each run (mulberry32). */
export class Random {
  #state: number
  constructor (state: number) { this.#state = state }
  below (limit: number): number {
    this.#state = this.#state + 0x6d2b79f5 | 0
    let t = Math.imul(this.#state ^ this.#state >>> 15, 1 | this.#state)
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
    return Math.floor(((t ^ t >>> 14) >>> 0) / 2 ** 32 * limit)
  }

  bytes (length: number): Buffer { return Buffer.from(Array.from({ length }, () => this.below(256))) }
  one<T> (list: readonly T[]): T { return list[this.below(list.length)] as T }
}

export const connectPacket = (clientId: string, clean = true): Buffer => generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, keepalive: 0, clean, will: { topic: 'agent/disconnected', payload: Buffer.from('{"agent":{"uuid":"w"}}'), qos: 1, retain: false } } as Packet)
/** Topics, filters and client ids that are unlike others. */
export const names = ['__proto__', 'constructor', 'hasOwnProperty', 'toString', '$SYS/x', '$share/g/#', '$share/__proto__/a/+', 'a'.repeat(60_000), '/'.repeat(31), '\u{1f600}', 'agent/message']

export function mutated (random: Random, packet: Buffer): Buffer {
  const bytes = Buffer.from(packet)
  for (let i = random.below(4); i >= 0; i--) bytes[random.below(Math.min(bytes.length, 40))] = random.below(256)
  return random.below(3) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes
}

/** Sends what `make` makes over new connections until the time is over. */
export async function fuzz (open: () => Promise<Socket>, make: () => Buffer | string): Promise<void> {
  const end = performance.now() + fuzzing
  while (performance.now() < end) {
    await Promise.all(Array.from({ length: 8 }, async () => {
      const socket = await open().catch(() => undefined)
      if (socket === undefined) return
      socket.resume()
      for (let i = 0; i < 10 && !socket.destroyed; i++) socket.write(make())
      await pause(5)
      socket.resetAndDestroy()
    }))
  }
}

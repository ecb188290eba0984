import type { Version } from '../packets.ts'
import type { Shape } from './shapes.ts'

const payloadBytes = 300
const topicOf = (publisher: number): string => `bench/delivery/${String(publisher).padStart(2, '0')}`

/** With MQTT 5 a length of properties, none, comes before what is in a packet. */
const noProperties = (version: Version): number[] => version === 5 ? [0] : []

/** SUBSCRIBE to what all publishers publish, packet id 1, and the SUBACK that grants it. */
export function subscribe (qos: 0 | 1, version: Version): { packet: Buffer, answer: Buffer } {
  const filter = Buffer.from('bench/delivery/+')
  const properties = noProperties(version)
  return {
    packet: Buffer.concat([Buffer.from([0x82, filter.length + 5 + properties.length, 0, 1, ...properties, 0, filter.length]), filter, Buffer.from([qos])]),
    answer: Buffer.from([0x90, 3 + properties.length, 0, 1, ...properties, qos])
  }
}

/** Where the parts of this benchmark's PUBLISH packets are: all of one quality and version are as long as each other. */
export interface Layout { size: number, id: number, publisher: number, sequence: number, time: number }

export function layoutOf (qos: Shape['qos'], version: Version): Layout {
  const id = 3 + 2 + topicOf(0).length
  const publisher = id + (qos === 0 ? 0 : 2) + noProperties(version).length
  return { size: publisher + payloadBytes, id, publisher, sequence: publisher + 4, time: publisher + 8 }
}

/** A PUBLISH packet in which only packet id, sequence number and time are left to write. */
export function publishTemplate (publisher: number, qos: Shape['qos'], version: Version): Buffer {
  const layout = layoutOf(qos, version)
  const topic = topicOf(publisher)
  const packet = Buffer.alloc(layout.size, 'x')
  const rest = layout.size - 3
  packet[0] = 0x30 | qos << 1
  packet[1] = rest & 0x7f | 0x80
  packet[2] = rest >> 7
  packet.writeUInt16BE(topic.length, 3)
  packet.write(topic, 5)
  packet.set(noProperties(version), layout.publisher - noProperties(version).length)
  packet.writeUInt32BE(publisher, layout.publisher)
  return packet
}

/** Cuts a stream into packets that all have `size` bytes; `onPacket` gets the bytes and where the packet starts in them. */
export function cutter (size: number, onPacket: (bytes: Buffer, at: number) => void): (bytes: Buffer) => void {
  const begun = Buffer.alloc(size)
  let have = 0
  return bytes => {
    let at = 0
    if (have > 0) {
      at = bytes.copy(begun, have, 0, size - have)
      have += at
      if (have < size) return
      have = 0
      onPacket(begun, 0)
    }
    for (; at + size <= bytes.length; at += size) onPacket(bytes, at)
    have = bytes.copy(begun, 0, at)
  }
}

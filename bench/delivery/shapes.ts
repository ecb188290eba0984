/** Who publishes to whom. Every message has 300 bytes of payload. */
export interface Shape {
  id: string
  name: string
  publishers: number
  /** 0: nobody receives, and what counts is the PUBACK. */
  receivers: number
  qos: 0 | 1
  /** Messages of one publisher that its slowest receiver does not have yet, and at QoS 1 that the broker has not acknowledged. */
  window: number
}

const pairs = [
  { id: '1-1', name: '1 → 1', publishers: 1, receivers: 1, window: 300 },
  // 20 × 50 messages are 0.3 MB: no broker has a reason to drop any.
  { id: '50-1', name: '50 → 1', publishers: 50, receivers: 1, window: 20 },
  { id: '1-100', name: '1 → 100', publishers: 1, receivers: 100, window: 100 }
]

export const shapes: Shape[] = [
  ...pairs.flatMap(pair => ([0, 1] as const).map(qos => ({ ...pair, id: `${pair.id}:${qos}`, name: `${pair.name}, QoS ${qos}`, qos }))),
  { id: 'ingest', name: '20 → none, QoS 1', publishers: 20, receivers: 0, qos: 1, window: 50 }
]

/** Not a load but a state, and so measured apart: see idle.ts. */
export const idleShape = 'idle'

/** Whether a name of `--shapes` means a shape: `1-1` both its qualities, `1-1:0` one. */
export function isMeant (id: string, names: string[]): boolean {
  return names.some(name => id === name || id.startsWith(`${name}:`))
}

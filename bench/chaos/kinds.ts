/** The honest publishers, by how they send. An agent of one is called `chaos-<kind>-<number>`. */
export interface Kind {
  qos: 0 | 1 | 2
  /** Whether its messages carry a timestamp; without one only QoS 2, or never sending again, is exactly once. */
  timestamp: boolean
  /** Cuts its own connection every few seconds, comes back to its session and sends again what is open. */
  reconnects?: true
  /** Sends every message a second time with DUP, before its PUBREL. */
  repeats?: true
  /** So many copies of one payload in one write. */
  copies?: number
  /** CONNECT, PUBLISH, DISCONNECT and FIN in one go. */
  hasty?: true
}

export const kinds = {
  qos0: { qos: 0, timestamp: true },
  qos1: { qos: 1, timestamp: true },
  qos2: { qos: 2, timestamp: true },
  bare1: { qos: 1, timestamp: false },
  bare2: { qos: 2, timestamp: false },
  moving1: { qos: 1, timestamp: true, reconnects: true },
  moving2: { qos: 2, timestamp: false, reconnects: true },
  repeating2: { qos: 2, timestamp: false, repeats: true },
  pulses: { qos: 1, timestamp: false, copies: 50 },
  hasty: { qos: 1, timestamp: true, hasty: true },
  storm: { qos: 1, timestamp: true }
} as const satisfies Record<string, Kind>

export type KindName = keyof typeof kinds

export const agentOf = (kind: KindName, number: number): string => `chaos-${kind}-${number}`

/** Undefined for an agent of somebody else. */
export function kindOf (uuid: string): { name: KindName } & Kind | undefined {
  const name = /^chaos-([a-z]+\d?)-\d+$/.exec(uuid)?.[1]
  return name !== undefined && name in kinds ? { name: name as KindName, ...kinds[name as KindName] } : undefined
}

/** Versions of MQTT by the level that stands for each in CONNECT. [MQTT-3.1.2-2] */
const names = { 3: '3.1', 4: '3.1.1', 5: '5' } as const

export type ProtocolLevel = keyof typeof names
export type ProtocolVersion = typeof names[ProtocolLevel]

export function versionOf (level: ProtocolLevel): ProtocolVersion {
  return names[level]
}

/** How many of some clients speak each version. */
export function countVersions (levels: Iterable<ProtocolLevel>): Record<ProtocolVersion, number> {
  const counts = { '3.1': 0, '3.1.1': 0, '5': 0 }
  for (const level of levels) counts[versionOf(level)]++
  return counts
}

const name = Buffer.from('Node Control/Rebirth')
const boolean = 11

/** The payload by which a host asks a node of Sparkplug B for its birth, and those of its devices. @param at UTC ms */
export function rebirthCommand (at: number): Buffer {
  const time = varint(at)
  const metric = Buffer.concat([Buffer.from([0x0A, name.length]), name, Buffer.from([0x18, ...time, 0x20, boolean, 0x70, 1])])
  // It has no sequence number. [tck-id-payloads-ncmd-seq]
  return Buffer.concat([Buffer.from([0x08, ...time, 0x12, metric.length]), metric])
}

/** A whole number as protocol buffers write it. */
function varint (value: number): number[] {
  const bytes: number[] = []
  for (; value > 127; value = Math.floor(value / 128)) bytes.push(value % 128 | 128)
  return [...bytes, value]
}

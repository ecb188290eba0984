import type { SparkplugMetric, SparkplugPayload } from './payload.ts'
import { Sequence } from './sequence.ts'

/** What a birth said of a metric, for data that says less. */
export interface Born { name: string, datatype: number | undefined }

interface Birth {
  /** By alias, or by `=` and the name where there is none. */
  metrics: Map<number | string, Born>
  bytes: number
}

interface Node {
  /** Of its connection: the death of an older one does not end it. */
  bdSeq: number | undefined
  /** Of its messages since its birth, and those of its devices; undefined: it does not number them. */
  sequence: Sequence | undefined
  /** By device; the node's own under ''. */
  births: Map<string, Birth>
}

/** Bytes that all births together may take. */
const mostBytes = 64_000_000
/** What a metric takes, and what a birth does, beside its texts. */
const bytesEach = 200
/** Devices of a node. */
const mostDevices = 900

/**
 * What nodes and devices of Sparkplug B said when they were born, until they die. Who comes when there is no room is not remembered: to push
 * others out would let a stranger end the data of those that run.
 */
export class Births {
  readonly #nodes = new Map<string, Node>()
  #bytes = 0

  /**
   * @param bdSeq of a node, if it gave one
   * @returns devices of an earlier connection of the node that ended without a word, and whether there was room
   */
  add (node: string, device: string, { metrics, seq, timestamp }: SparkplugPayload, bdSeq?: number): { gone: string[], isKept: boolean } {
    const known = this.#nodes.get(node)
    // A birth with the same number was asked for: the node's devices stay, and say so themselves.
    const gone = device === '' && known !== undefined && known.bdSeq !== bdSeq ? devicesOf(known) : []
    if (device === '') this.endNode(node)
    else this.endDevice(node, device)

    const birth: Birth = { metrics: new Map(), bytes: bytesEach + (node.length + device.length) * 2 }
    for (const { name, alias, datatype } of metrics) {
      if (name === undefined) continue
      birth.bytes += bytesEach + name.length * 2
      birth.metrics.set(alias ?? `=${name}`, { name, datatype })
    }
    const entry = this.#nodes.get(node) ?? { bdSeq, sequence: device !== '' || seq === undefined ? undefined : new Sequence(seq, timestamp), births: new Map<string, Birth>() }
    if (this.#bytes + birth.bytes > mostBytes || entry.births.size > mostDevices) return { gone, isKept: false }
    entry.births.set(device, birth)
    this.#nodes.set(node, entry)
    this.#bytes += birth.bytes
    return { gone, isKept: true }
  }

  find (node: string, device: string, { name, alias }: SparkplugMetric): Born | undefined {
    const metrics = this.#nodes.get(node)?.births.get(device)?.metrics
    return (alias === undefined ? undefined : metrics?.get(alias)) ?? metrics?.get(`=${name}`)
  }

  /** Whether the numbers of a node's messages show that one of them will not come any more. @param now UTC ms */
  hasGap (node: string, { seq, timestamp }: SparkplugPayload, now: number): boolean {
    return this.#nodes.get(node)?.sequence?.hasGap(seq, timestamp, now) === true
  }

  /** Whether a death may be that of the connection that is known. */
  isOf (node: string, bdSeq: number | undefined): boolean {
    const known = this.#nodes.get(node)?.bdSeq
    return known === undefined || bdSeq === undefined || known === bdSeq
  }

  /** @returns the devices that go with it */
  endNode (node: string): string[] {
    const known = this.#nodes.get(node)
    if (known === undefined) return []
    for (const { bytes } of known.births.values()) this.#bytes -= bytes
    this.#nodes.delete(node)
    return devicesOf(known)
  }

  endDevice (node: string, device: string): void {
    const births = this.#nodes.get(node)?.births
    this.#bytes -= births?.get(device)?.bytes ?? 0
    births?.delete(device)
  }
}

function devicesOf ({ births }: Node): string[] {
  return [...births.keys()].filter(device => device !== '')
}

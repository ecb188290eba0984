/** A payload of Sparkplug B, as far as it is read here. */
export interface SparkplugPayload {
  /** UTC ms. */
  timestamp: number | undefined
  /** The place of the message among those of its node, modulo 256. */
  seq: number | undefined
  metrics: SparkplugMetric[]
}

export interface SparkplugMetric {
  name: string | undefined
  /** A number where it is exact. */
  alias: number | string | undefined
  timestamp: number | undefined
  /** A number of the specification's table of data types; undefined: the birth said it. */
  datatype: number | undefined
  /** Undefined: there is none, or one that is no metric, such as a data set, a template or bytes. */
  value: SparkplugValue | undefined
}

/** As encoded. What it means depends on the data type. */
export type SparkplugValue = { kind: 'int', low: number } | { kind: 'long', low: number, high: number } | { kind: 'plain', value: number | boolean | string }

export type Decoded = { ok: true, payload: SparkplugPayload } | { ok: false, reason: 'PAYLOAD_MALFORMED' | 'PAYLOAD_TOO_LARGE', detail: string }

const types = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

class Malformed extends Error {}
class TooLarge extends Error {}

/**
 * Reads a payload of Sparkplug B: protocol buffers, of which only the metrics' names, aliases, times and plain values are read. Everything else
 * is stepped over, so that neither nesting nor large values cost anything.
 * @param most metrics
 */
export function decodeSparkplug (bytes: Uint8Array, most: number): Decoded {
  try {
    return { ok: true, payload: payloadOf(new WireReader(bytes), most) }
  } catch (error) {
    if (error instanceof TooLarge) return { ok: false, reason: 'PAYLOAD_TOO_LARGE', detail: error.message }
    if (error instanceof Malformed) return { ok: false, reason: 'PAYLOAD_MALFORMED', detail: `The payload is not Sparkplug B: ${error.message}` }
    throw error
  }
}

function payloadOf (reader: WireReader, most: number): SparkplugPayload {
  const payload: SparkplugPayload = { timestamp: undefined, seq: undefined, metrics: [] }
  while (reader.next()) {
    if (reader.is(1, types.varint)) {
      payload.timestamp = reader.unsigned()
    } else if (reader.is(3, types.varint)) {
      payload.seq = reader.unsigned()
    } else if (reader.is(2, types.bytes)) {
      if (payload.metrics.length === most) throw new TooLarge(`The payload has more than ${most} values: send fewer at a time.`)
      payload.metrics.push(metricOf(reader.inner()))
    } else {
      reader.skip()
    }
  }
  return payload
}

function metricOf (reader: WireReader): SparkplugMetric {
  const metric: SparkplugMetric = { name: undefined, alias: undefined, timestamp: undefined, datatype: undefined, value: undefined }
  let isNull = false
  while (reader.next()) {
    if (reader.is(1, types.bytes)) metric.name = reader.text()
    else if (reader.is(2, types.varint)) metric.alias = reader.identity()
    else if (reader.is(3, types.varint)) metric.timestamp = reader.unsigned()
    else if (reader.is(4, types.varint)) metric.datatype = reader.unsigned()
    else if (reader.is(7, types.varint)) isNull = reader.unsigned() !== 0
    else if (reader.is(10, types.varint)) metric.value = { kind: 'int', low: reader.long().low }
    else if (reader.is(11, types.varint)) metric.value = reader.long()
    else if (reader.is(12, types.fixed32)) metric.value = { kind: 'plain', value: shortest(reader.float()) }
    else if (reader.is(13, types.fixed64)) metric.value = { kind: 'plain', value: reader.double() }
    else if (reader.is(14, types.varint)) metric.value = { kind: 'plain', value: reader.unsigned() !== 0 }
    else if (reader.is(15, types.bytes)) metric.value = { kind: 'plain', value: reader.text() }
    else reader.skip()
  }
  if (isNull) metric.value = undefined
  return metric
}

const half = 2 ** 32

/** A value with its data type. Whole numbers beyond 2^53 are rounded, because a number that turned into a text would end its chart. */
export function plainValue (value: SparkplugValue, datatype: number | undefined): number | boolean | string {
  if (value.kind === 'plain') return value.value
  const { low } = value
  switch (datatype) {
    // Of Int8 and Int16 some senders write only as many bits as it has.
    case 1: return low << 24 >> 24
    case 2: return low << 16 >> 16
    case 3: return low | 0
    case 4: return value.kind === 'long' ? (value.high | 0) * half + low : low | 0
    default: return value.kind === 'long' ? value.high * half + low : low
  }
}

/** The shortest decimal that is the same float: 21.3 instead of 21.299999237060547. */
function shortest (float: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const decimal = Number(float.toPrecision(digits))
    if (Math.fround(decimal) === float) return decimal
  }
  return float
}

/** Steps through the fields of a message of protocol buffers. Nothing is read beyond its end. */
class WireReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #end: number
  #at: number
  #field = 0
  #type = 0

  constructor (bytes: Uint8Array, from = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#at = from
    this.#end = end
  }

  /** Whether there is another field. Its value has to be read, or skipped, before the next. */
  next (): boolean {
    if (this.#at >= this.#end) return false
    const tag = this.long().low
    this.#field = tag >>> 3
    this.#type = tag & 7
    if (this.#field === 0) throw new Malformed('a field has the number 0.')
    return true
  }

  is (field: number, type: number): boolean {
    return this.#field === field && this.#type === type
  }

  skip (): void {
    if (this.#type === types.varint) this.long()
    else if (this.#type === types.bytes) this.#take(this.#length())
    else if (this.#type === types.fixed64) this.#take(8)
    else if (this.#type === types.fixed32) this.#take(4)
    else throw new Malformed(`a field has the wire type ${this.#type}.`)
  }

  long (): { kind: 'long', low: number, high: number } {
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#bytes[this.#take(1)] as number
      const bits = byte & 127
      if (shift < 28) low |= bits << shift
      else if (shift === 28) [low, high] = [low | bits << 28, bits >>> 4]
      else high |= bits << (shift - 32)
      if (byte < 128) return { kind: 'long', low: low >>> 0, high: high >>> 0 }
    }
    throw new Malformed('a number is longer than 64 bits.')
  }

  unsigned (): number {
    const { low, high } = this.long()
    return high * half + low
  }

  /** What tells numbers of 64 bits apart. */
  identity (): number | string {
    const { low, high } = this.long()
    return high < 2 ** 21 ? high * half + low : `${high} ${low}`
  }

  float (): number { return this.#view.getFloat32(this.#take(4), true) }

  double (): number { return this.#view.getFloat64(this.#take(8), true) }

  text (): string {
    const length = this.#length()
    const from = this.#take(length)
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + from, length).toString()
  }

  inner (): WireReader {
    const length = this.#length()
    const from = this.#take(length)
    return new WireReader(this.#bytes, from, from + length)
  }

  #length (): number { return this.unsigned() }

  /** Where the next bytes are. */
  #take (length: number): number {
    const from = this.#at
    if (length > this.#end - from) throw new Malformed('it ends in the middle of a field.')
    this.#at += length
    return from
  }
}

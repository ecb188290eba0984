import { isObject } from '../../is-object.ts'
import { decode } from '../../messages/decode.ts'
import type { MakeReader, Read } from '../reading.ts'
import { flatten } from './json.ts'
import { seriesOf, type Measured } from './series.ts'

const nothing: Read = { ok: true, readings: [] }

/** Telegraf's JSON: one measurement, or `metrics`, a list of them. Times are s, where the rule names no other unit (`json_timestamp_units`). */
export const telegraf: MakeReader = rule => {
  const read = seriesOf(rule, 's')
  return matched => {
    if (matched.payload.length === 0) return nothing
    const decoded = decode(matched.text ?? matched.payload, matched.weight)
    if (!decoded.ok) return decoded
    const { value } = decoded
    const list: unknown[] = isObject(value) && Array.isArray(value.metrics) ? value.metrics : Array.isArray(value) ? value : [value]
    const wrong = list.findIndex(one => !isMeasurement(one))
    if (wrong >= 0) return { ok: false, reason: 'FIELD_INVALID', detail: `Measurement ${wrong + 1} is none of Telegraf: it has to have a name and fields.` }
    return read(matched, measuredOf(list as Measurement[]))
  }
}

interface Measurement { name: string, fields: Record<string, unknown>, tags?: Record<string, unknown>, timestamp?: unknown }

function isMeasurement (value: unknown): value is Measurement {
  return isObject(value) && typeof value.name === 'string' && value.name !== '' && isObject(value.fields) && (value.tags === undefined || value.tags === null || isObject(value.tags))
}

/** One at a time: their fields are looked at only until there are too many. */
function * measuredOf (list: Measurement[]): Generator<Measured> {
  for (const { name, fields, tags, timestamp } of list) {
    const metrics: Array<{ type: string, value: Measured['fields'][number][1] }> = []
    flatten(fields, '', path => path, metrics)
    yield {
      name,
      tags: Object.entries(tags ?? {}).filter((tag): tag is [string, string] => typeof tag[1] === 'string' && tag[1] !== '').sort(([one], [other]) => one < other ? -1 : one > other ? 1 : 0),
      fields: metrics.map(({ type, value }) => [type, value]),
      time: timestamp
    }
  }
}

import { textOf } from '../payload-text.ts'
import type { MakeReader } from '../reading.ts'
import { mostMetrics } from './gathered.ts'
import { readPoints } from './line-protocol.ts'
import { seriesOf } from './series.ts'

/** InfluxDB's line protocol, as Telegraf sends it too. Times are ns, where the rule names no other unit. */
export const influx: MakeReader = rule => {
  const read = seriesOf(rule, 'ns')
  return matched => {
    const decoded = textOf(matched.payload)
    if (!decoded.ok) return decoded
    const found = readPoints(decoded.text, mostMetrics)
    return found.ok ? read(matched, found.points.map(({ measurement, ...point }) => ({ name: measurement, ...point }))) : found
  }
}

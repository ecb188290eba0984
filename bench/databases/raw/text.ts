import { firstSeries, metricsPerMessage, type Sample } from '../messages.ts'

/** A text for each metric, made from its series, time, seq and value, with commas between them or whatever is given. */
export function textOf (samples: Sample[], metric: (series: number, sample: Sample) => string, separator = ','): string {
  const parts: string[] = []
  for (const sample of samples) {
    const first = firstSeries(sample.agent)
    for (let series = first; series < first + metricsPerMessage; series++) parts.push(metric(series, sample))
  }
  return parts.join(separator)
}

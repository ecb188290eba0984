import type { Sample } from './load.ts'
import type { Usage } from './proc.ts'

/** What a message cost the broker's process and the database server, after the warm-up and until the last acknowledgement: seconds of CPU, bytes given to the disk. */
export function perMessage (samples: Sample[], warmUp: number): { messagesPerSecond: number, cpu: number, written: number, server?: Usage } {
  const first = sampleAt(samples, warmUp)
  const last = samples.at(-1) ?? first
  const messages = last.acknowledged - first.acknowledged
  const used = (before: Usage, after: Usage): Usage => ({ cpu: (after.cpu - before.cpu) / messages, written: (after.written - before.written) / messages })
  return {
    messagesPerSecond: messages / (last.at - first.at),
    ...used(first, last),
    ...first.server === undefined || last.server === undefined ? {} : { server: used(first.server, last.server) }
  }
}

/** Messages a second in the last quarter of the time after the warm-up, as a share of the first quarter. */
export function lastToFirst (samples: Sample[], warmUp: number): number {
  const end = samples.at(-1)?.at ?? NaN
  const rate = (from: number, to: number): number => {
    const [a, b] = [sampleAt(samples, from), sampleAt(samples, to)]
    return (b.acknowledged - a.acknowledged) / (b.at - a.at)
  }
  const quarter = (end - warmUp) / 4
  return rate(end - quarter, end) / rate(warmUp, warmUp + quarter)
}

/** The first sample that is not before this second. */
function sampleAt (samples: Sample[], second: number): Sample {
  const sample = samples.find(({ at }) => at >= second) ?? samples.at(-1)
  if (sample === undefined) throw new RangeError('There are no samples.')
  return sample
}

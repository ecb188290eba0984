import type { Message } from '../../lib/messages/parse.ts'

/** Five metrics of one agent at one time. */
export interface Sample { agent: number, ts: number, seq: number, value: number }

const agents = 20
export const metricsPerMessage = 5
export const types = Array.from({ length: metricsPerMessage }, (_, i) => `metric-${i}`)

/** Makes samples, the agents in turn, no two alike. */
export function sampler (): () => Sample {
  let made = 0
  return () => {
    made++
    // 48 bits, as the package's fingerprint of a message without `seq` has.
    return { agent: made % agents, ts: Date.now(), seq: Math.floor(Math.random() * 2 ** 48), value: 42 + made % 1e7 / 1e7 }
  }
}

export const uuidOf = (agent: number): string => `0b5e0000-0000-4000-8000-${String(agent).padStart(12, '0')}`

/** A sample as the package's parser hands it to the store, which gets `seq` as its fingerprint. */
export function messageOf ({ agent, ts, value }: Sample, names = types): Message {
  return {
    kind: 'message',
    topic: 'agent/message',
    payload: {
      agent: { uuid: uuidOf(agent), username: 'bench', name: `agent-${agent}`, hostname: `host-${agent}`, pid: 4000 + agent },
      metrics: names.map(type => ({ type, value })),
      timestamp: ts
    }
  }
}

/** The series of a sample's metrics, where nobody asks the database for them; whole numbers from 1 on. */
export const firstSeries = (agent: number): number => agent * metricsPerMessage + 1

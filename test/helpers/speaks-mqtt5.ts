import { openBroker } from './broker.ts'
import { Peer } from './peer.ts'

/** What `{ skip }` of a test takes whose clients speak MQTT 5, while the broker does not. */
export const mqtt5Missing: string | false = await probe()

async function probe (): Promise<string | false> {
  const endings: Array<() => unknown> = []
  const { port } = await openBroker({ after: (end: () => unknown) => { endings.push(end) } })
  const peer = await Peer.open(port)
  try {
    const { reasonCode } = await peer.connect('probe')
    if (reasonCode === 0) return false
  } catch {
    // It answers as MQTT 3.1.1 does.
  } finally {
    peer.cut()
    for (const end of endings) await end()
  }
  console.warn('skipped: the broker does not speak MQTT 5 yet')
  return 'the broker does not speak MQTT 5 yet'
}

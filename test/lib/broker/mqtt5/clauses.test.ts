import { test } from 'node:test'
import { openBroker } from '../../../helpers/broker.ts'
import { put } from './clauses/clause.ts'
import { clauses } from './clauses/clauses.ts'

// Each check is for one clause of MQTT 5. `clauses/beside-mosquitto.ts` puts Mosquitto to them as well; docs/mqtt.md has both results.

for (const [subject, checks] of Object.entries(clauses)) {
  test(subject, { concurrency: 8 }, async t => {
    const { port } = await openBroker(t, { limits: { packetBytes: 100_000 } })
    await Promise.all(checks.map(check => t.test(`${check.clause}: ${check.title}`, () => put(port, check))))
  })
}

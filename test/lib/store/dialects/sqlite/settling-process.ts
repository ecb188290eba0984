import { dialectOf } from '../../../../../lib/store/dialect-of.ts'
import { Store } from '../../../../../lib/store/store.ts'
import { message } from '../../../../helpers/messages.ts'

/** Stores messages and settles them, in small steps, until it is killed; says on standard output which messages are acknowledged. */
const [filename = '', first = '0'] = process.argv.slice(2)
const store = new Store(dialectOf({ client: 'sqlite', filename }), { instance: `process-${first}` })
let next = Number(first)

function send (): void {
  const seq = next++
  // Some come late.
  const timestamp = 1_700_000_000_000 + (seq % 7 === 0 ? seq - 50 : seq)
  const payload = { agent: { uuid: `agent-${seq % 5}` }, metrics: [{ type: 'a', value: seq }, { type: 'b', value: `${seq}` }], timestamp, seq }
  store.write(message('agent/message', payload), timestamp, error => {
    if (error !== null) throw error
    process.stdout.write(`${seq}\n`)
    send()
  })
}

for (let i = 0; i < 20; i++) send()
for (;;) await store.run(async knex => await store.settling?.step(knex, 0, { size: 5 }))

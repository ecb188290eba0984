import { dialectOf } from '../../../../lib/store/dialect-of.ts'
import type { DatabaseOptions } from '../../../../lib/store/dialects/options.ts'
import { Store } from '../../../../lib/store/store.ts'
import { message } from '../../../helpers/messages.ts'

/** Stores messages until it is killed; says on standard output which are acknowledged. */
const store = new Store(dialectOf(JSON.parse(process.argv[2] ?? '') as DatabaseOptions), { instance: 'killed' })
let next = 0

function send (): void {
  const seq = next++
  const timestamp = Date.now()
  store.write(message('agent/message', { agent: { uuid: `agent-${seq % 5}` }, metrics: [{ type: 'a', value: seq }, { type: 'b', value: `${seq}` }], timestamp, seq }), timestamp, error => {
    if (error !== null) throw error
    process.stdout.write(`${seq}\n`)
    send()
  })
}

for (let i = 0; i < 20; i++) send()

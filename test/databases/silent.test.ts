import assert from 'node:assert/strict'
import { disconnectSilentAgents } from '../../lib/store/silent.ts'
import { Store } from '../../lib/store/store.ts'
import { onEachDatabase } from '../helpers/databases.ts'
import { message } from '../helpers/messages.ts'

onEachDatabase('agents that the last process left behind are found silent, those of another process are not', async (t, { dialect, query }) => {
  for (const instance of ['ours', 'other']) {
    const store = new Store(dialect, { instance })
    await new Promise<void>((resolve, reject) => {
      store.write(message('agent/connected', { agent: { uuid: instance } }), 1_000, error => { if (error === null) resolve(); else reject(error) })
    })
    await store.close()
  }
  const store = new Store(dialect, { instance: 'ours' })
  t.after(() => store.close())
  const reported = await new Promise<string>(resolve => { disconnectSilentAgents(store, t.name, 0, resolve) })
  assert.equal(reported, 'ours')
  const rows = await query('agents').orderBy('uuid').select('uuid', 'connected') as Array<{ uuid: string, connected: unknown }>
  assert.deepEqual(rows.map(({ uuid, connected }) => [uuid, Boolean(connected)]), [['other', true], ['ours', false]])
})

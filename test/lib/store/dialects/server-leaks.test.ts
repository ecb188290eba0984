import assert from 'node:assert/strict'
import type { ServerOptions } from '../../../../lib/store/dialects/options.ts'
import { dialectOf } from '../../../../lib/store/dialect-of.ts'
import { onEachServer } from '../../../helpers/databases.ts'
import { tcpProxy } from '../../../helpers/tcp-proxy.ts'

const timers = (): number => process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length

onEachServer('an attempt to connect that fails, after whichever answer, leaves no pool behind', async (t, database) => {
  const proxy = await tcpProxy(t, (database.options as ServerOptions).port as number)
  const options = { ...database.options, port: proxy.port } as ServerOptions
  await (await dialectOf(options).connect()).destroy()
  const before = timers()
  let failed = 0
  for (let turn = 0; turn < 16; turn++) {
    let answers = turn
    proxy.answer = (bytes, client) => {
      if (answers-- === 0) client.resetAndDestroy()
      else client.write(bytes)
    }
    // A new one each time: some of what it asks is asked once.
    await dialectOf(options).connect().then(knex => knex.destroy(), () => { failed++ })
  }
  assert.ok(failed > 4, `${failed} attempts failed`)
  assert.equal(timers(), before)
})

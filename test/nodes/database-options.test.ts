import assert from 'node:assert/strict'
import { join, resolve } from 'node:path'
import { describe, test } from 'node:test'
import { dialectOf } from '../../lib/store/dialect-of.ts'
import { mostDays } from '../../lib/store/retention/most-days.ts'
import { checkRetention } from '../../lib/store/retention/retention.ts'
import { databaseDefaults, type DatabaseConfig, type DatabaseCredentials } from '../../nodes/platziverse-database/config.ts'
import { databaseOptionsOf } from '../../nodes/platziverse-database/options.ts'

const userDir = resolve('/home/ana/.node-red')
const optionsOf = (config: Partial<DatabaseConfig>, credentials: DatabaseCredentials = {}, tls?: { ca: string }) =>
  databaseOptionsOf(config, credentials, { id: 'da7aba5e', userDir, tls })

describe('the options of a database', () => {
  test('are a SQLite file of the user directory where nothing was chosen, kept for ever, without a spool', () => {
    for (const config of [{}, databaseDefaults]) {
      const filename = join(userDir, 'platziverse.sqlite')
      assert.deepEqual(optionsOf(config), {
        database: { client: 'sqlite', filename },
        identity: filename,
        gather: 0,
        spool: undefined,
        prometheus: 0,
        retention: { rawDays: 0, hourDays: 0, dayDays: 0, overrides: [] }
      })
    }
  })

  test('leave an absolute file where it is', () => {
    const filename = resolve('/data/metrics.sqlite')
    assert.deepEqual(optionsOf({ client: 'sqlite', filename }).database, { client: 'sqlite', filename })
  })

  test('give a server its usual port and the text of the form as numbers', () => {
    const { database } = optionsOf({ ...databaseDefaults, client: 'postgresql', host: 'db', poolSize: '8' }, { user: 'ana', password: 's3cret' })
    assert.deepEqual(database, { client: 'postgresql', host: 'db', port: 5432, user: 'ana', password: 's3cret', database: 'platziverse', poolSize: 8, tls: undefined })
    assert.deepEqual(portOf({ client: 'mysql' }), 3306)
    assert.deepEqual(portOf({ client: 'mysql', port: '3307' }), 3307)
    const { poolSize } = optionsOf({ client: 'mysql', poolSize: '0' }).database as { poolSize: number }
    assert.equal(poolSize, 1)
  })

  test('speak TLS only where the box is ticked, with or without certificates', () => {
    const tlsOf = (config: Partial<DatabaseConfig>, tls?: { ca: string }) => (optionsOf({ client: 'postgresql', ...config }, {}, tls).database as { tls?: object }).tls
    assert.equal(tlsOf({ secure: false }, { ca: 'PEM' }), undefined)
    assert.deepEqual(tlsOf({ secure: true }, { ca: 'PEM' }), { ca: 'PEM' })
    assert.deepEqual(tlsOf({ secure: true }), {})
  })

  test('of a URL are the URL alone', () => {
    const url = 'postgres://ana:s3cret@db:6432/metrics'
    const { database } = optionsOf({ ...databaseDefaults, client: 'postgresql', connection: 'url', host: 'elsewhere' }, { url, user: 'bob', password: 'other' })
    assert.deepEqual(database, { client: 'postgresql', url, poolSize: 5, tls: undefined })
  })

  test('stay empty where they are: an empty host is not this machine', () => {
    assert.equal((optionsOf({ client: 'postgresql', connection: 'url' }).database as { url?: string }).url, '')
    const { host, database } = optionsOf({ client: 'mysql', host: '', database: '' }).database as { host: string, database: string }
    assert.deepEqual([host, database], ['', ''])
  })

  test('of a server whose login was lost with the credentials connect to nothing, and say so', async () => {
    for (const config of [{ client: 'postgresql' }, { client: 'mysql' }, { client: 'postgresql', connection: 'url' }] as const) {
      const { database } = optionsOf({ ...config, hasLogin: true })
      await assert.rejects(dialectOf(database).connect(), { code: 'CREDENTIALS_LOST' })
    }
    assert.equal('refused' in optionsOf({ client: 'postgresql', hasLogin: true }, { user: 'ana' }).database, false)
    assert.equal('refused' in optionsOf({ client: 'sqlite', hasLogin: true }).database, false)
  })

  test('with a variable that is not set connect to nothing, and say so', async () => {
    for (const config of [{ client: 'postgresql', host: '${UNSET}' }, { client: 'mysql', port: '$(UNSET)' }, { client: 'postgresql', database: 'a${UNSET}' }, { client: 'sqlite', filename: '${UNSET}' }] as const) {
      await assert.rejects(dialectOf(optionsOf(config).database).connect(), { code: 'VARIABLE_UNSET' })
    }
    assert.equal('refused' in optionsOf({ client: 'postgresql', connection: 'url', host: '${UNSET}' }).database, false, 'it is not used')
  })

  test('of MySQL with a PKCS#12 file connect to nothing: its driver would leave the certificate out', async () => {
    const { database } = databaseOptionsOf({ client: 'mysql', secure: true }, { user: 'ana' }, { id: 'da7aba5e', userDir, tls: { pfx: Buffer.from('p12') } })
    await assert.rejects(dialectOf(database).connect(), { code: 'STORE_OPTION_INVALID', message: /PKCS#12/ })
  })

  test('call one database by one name, without secrets', () => {
    const byFields = optionsOf({ client: 'postgresql', host: 'db', port: '6432', database: 'metrics' }, { user: 'ana', password: 's3cret' }).identity
    const byUrl = optionsOf({ client: 'postgresql', connection: 'url' }, { url: 'postgres://ana:s3cret@db:6432/metrics?sslmode=require' }).identity
    assert.equal(byFields, 'postgresql db:6432/metrics')
    assert.equal(byUrl, byFields)
    assert.equal(optionsOf({ client: 'mysql', connection: 'url' }, { url: 's3cret' }).identity, 'mysql ')
    assert.notEqual(optionsOf({ client: 'mysql', host: 'db', port: '6432', database: 'metrics' }).identity, byFields)
  })

  test('put the spool into the user directory, by the node\'s id, its size in bytes', () => {
    assert.deepEqual(optionsOf({ spool: '200' }).spool, { filename: join(userDir, 'platziverse-spool', 'da7aba5e.sqlite'), mostBytes: 200_000_000 })
    for (const none of ['0', '', 'x', '-1']) assert.equal(optionsOf({ spool: none }).spool, undefined, none)
  })

  test('let messages wait for others as long as the form says, a minute at the most', () => {
    for (const [saved, gather] of [['0', 0], ['5000', 5_000], ['60000', 60_000], ['86400000', 60_000], ['', 0], ['x', 0], ['-1', 0]] as const) assert.equal(optionsOf({ gather: saved }).gather, gather, saved)
  })

  test('keep metrics for the days of the form, and each overridden type for its own', () => {
    const { retention } = optionsOf({ rawDays: '30', hourDays: '365', dayDays: '', overrides: [{ type: 'door', rawDays: '7', hourDays: 7, dayDays: '' }] })
    assert.deepEqual(retention, { rawDays: 30, hourDays: 365, dayDays: 0, overrides: [{ type: 'door', rawDays: 7, hourDays: 7, dayDays: 0 }] })
    checkRetention(retention)
  })

  test('allow as many days as the form does, and no more', () => {
    checkRetention(optionsOf({ rawDays: mostDays }).retention)
    assert.throws(() => { checkRetention(optionsOf({ rawDays: mostDays + 1 }).retention) }, { code: 'STORE_RETENTION_INVALID' })
  })

  test('delete nothing because of days that are none', () => {
    assert.deepEqual(optionsOf({ rawDays: 'x', hourDays: '-1', dayDays: '1.5' }).retention, { rawDays: 0, hourDays: 0, dayDays: 0, overrides: [] })
  })
})

function portOf (config: Partial<DatabaseConfig>): number {
  return (optionsOf(config).database as { port: number }).port
}

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import knexFactory, { type Knex } from 'knex'
import { Compile } from 'typebox/schema'
import { until } from '../helpers/events.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { packageDir, skipWithoutNodeRed, startNodeRed, type NodeRed, type NodeRedVersion } from '../helpers/node-red.ts'

const hour = 3_600_000
const start = Date.now() - Date.now() % hour - 3 * hour

interface Operation { responses: Record<string, { headers?: Record<string, unknown>, content: Record<string, { schema: object }> }> }
type OpenApi = { paths: Record<string, { get: Operation }>, components: object }

interface OpenOptions { env?: Record<string, string>, settings?: Record<string, unknown>, tab?: Record<string, unknown> }

/** The example in a real Node-RED whose database has two agents, and what answers requests to it. */
async function open (t: TestContext, version: NodeRedVersion, { tab = {}, ...options }: OpenOptions = {}) {
  const nodeRed = await startNodeRed({ version, flows: await exampleFlow('REST API', { tab }), ...options })
  t.after(() => nodeRed.stop())
  const knex = knexFactory({ client: 'sqlite3', connection: { filename: join(nodeRed.userDir, 'platziverse.sqlite') }, useNullAsDefault: true })
  t.after(() => knex.destroy())
  await until(async () => await knex.schema.hasTable('dirty_hours').catch(() => false), there => there)
  await fill(knex)
  const openApi = JSON.parse(await readFile(join(packageDir, 'docs', 'openapi.json'), 'utf8')) as OpenApi
  const get = async (path: string, headers: Record<string, string> = {}, host = nodeRed.url) => {
    const response = await fetch(new URL(path, host), { headers, signal: AbortSignal.timeout(20_000) })
    const [type = ''] = (response.headers.get('content-type') ?? '').split(';')
    const described = Object.entries(openApi.paths).find(([template]) => new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`).test(new URL(path, host).pathname))?.[1]
    const answer = described?.get.responses[response.status]
    const schema = answer?.content[type]?.schema ?? assert.fail(`${path} ${response.status} ${type} is not in the description`)
    for (const name of Object.keys(answer?.headers ?? {})) assert.ok(response.headers.has(name), `${path} ${response.status} has no ${name}`)
    assert.equal(response.headers.get('cache-control'), 'no-store')
    const body: unknown = await response.json()
    assert.ok(Compile({ ...schema, components: openApi.components }).Check(body), `${path} ${JSON.stringify(body)} is not as described`)
    return { status: response.status, body: body as never }
  }
  return { nodeRed, get, knex, openApi }
}

async function fill (knex: Knex): Promise<void> {
  await knex('agents').insert([1, 2].map(id => ({ id, uuid: `a${id}`, username: 'u', connected: id === 1, connected_at: 5, last_seen_at: 6, created_at: 1, updated_at: 1 })))
  await knex('series').insert({ id: 1, agent_id: 1, type: 'cpu load', last_ts: start + 2 * hour, last_value: 3 })
  await knex('series').insert({ id: 2, agent_id: 2, type: 'state', last_ts: start, last_text: 'ok' })
  await knex('metrics').insert({ series_id: 2, ts: start, seq: 0, text: 'ok' })
  await knex('metrics').insert([0, 1, 2].map(i => ({ series_id: 1, ts: start + i * hour, seq: i, value: i + 1 })))
  await knex('dirty_hours').insert([0, 1, 2].map(i => ({ series_id: 1, ts: start + i * hour })))
}

/** The status of an answer to who calls this machine `host`: fetch does not let it be chosen. */
async function askAs (port: number, host: string): Promise<number> {
  const request = http.get({ port, host: '127.0.0.1', path: '/api/agents', headers: { host } })
  const [response] = await once(request, 'response') as [http.IncomingMessage]
  response.resume()
  return response.statusCode ?? 0
}

const restart = async (nodeRed: NodeRed): Promise<void> => { await nodeRed.deploy(await nodeRed.api<object[]>('flows')) }

for (const version of [5, 4] as const) {
  test(`REST API runs unchanged in Node-RED ${version}: agents and metrics, and problems as problem details`, { timeout: 120_000, skip: skipWithoutNodeRed(version) }, async t => {
    const { nodeRed, get, openApi } = await open(t, version)
    const agent = { uuid: 'a1', username: 'u', name: null, hostname: null, pid: null, connected: true, connectedAt: 5, lastSeenAt: 6 }
    const list = await get('/api/agents')
    assert.deepEqual(list, { status: 200, body: [agent, { ...agent, uuid: 'a2', connected: false }] })
    assert.deepEqual((await get('/api/agents?connected=true')).body, [agent])
    assert.deepEqual((await get('/api/agents?limit=1')).body, [agent])
    assert.equal((await fetch(new URL('/api/agents?limit=1', nodeRed.url))).headers.get('x-total-count'), '2')
    assert.equal(((await get('/api/metrics?limit=1')).body as unknown[]).length, 1)
    assert.deepEqual((await get('/api/agents?username=nobody')).body, [])
    assert.deepEqual((await get('/api/agent/a1')).body, agent)
    assert.deepEqual((await get('/api/metrics/a1')).body, [{ type: 'cpu load', ts: start + 2 * hour, value: 3 }])
    assert.deepEqual((await get('/api/metrics/a1/cpu%20load')).body, [0, 1, 2].map(i => ({ ts: start + i * hour, value: i + 1 })))
    assert.deepEqual((await get('/api/metrics/a1/cpu%20load?order=desc&limit=1')).body, [{ ts: start + 2 * hour, value: 3 }])
    assert.deepEqual((await get(`/api/metrics/a1/cpu%20load?from=${start + 3 * hour}`)).body, [])
    assert.deepEqual((await get('/api/metrics')).body, [{ uuid: 'a1', name: null, type: 'cpu load', ts: start + 2 * hour, value: 3 }, { uuid: 'a2', name: null, type: 'state', ts: start, value: 'ok' }])
    assert.deepEqual((await get('/api/metrics?type=state&type=nothing')).body, [{ uuid: 'a2', name: null, type: 'state', ts: start, value: 'ok' }])
    assert.deepEqual((await get('/api/openapi.json')).body, openApi)
    const byHour = await get(`/api/metrics/a1/cpu%20load?from=${start - hour}&to=${start + 2 * hour}&bucket=1h&aggregates=min,max,count&fill=skip`)
    assert.deepEqual(byHour.body, [{ ts: start, min: 1, max: 1, count: 1 }, { ts: start + hour, min: 2, max: 2, count: 1 }])

    const repeated = await get(`/api/metrics/a1/cpu%20load?from=${start}&to=${start + hour}&bucket=1h&aggregates=min&aggregates=max`)
    assert.deepEqual(repeated.body, [{ ts: start, min: 1, max: 1 }])

    const points = await get(`/api/metrics/a1/cpu%20load?from=${start}&to=${start + 3 * hour}&points=3&aggregates=count`)
    assert.deepEqual(points.body, [0, 1, 2].map(i => ({ ts: start + i * hour, count: 1 })))
    const year = await get(`/api/metrics/a1/cpu%20load?from=${start}&bucket=year&timezone=Europe/Madrid&aggregates=max&fill=skip`)
    assert.equal((year.body as Array<{ max: number }>).at(-1)?.max, 3)

    const problem = async (path: string) => {
      const { status, body } = await get(path) as { status: number, body: { status: number, code: string, detail: string } }
      assert.equal(body.status, status)
      assert.notEqual(body.detail, '')
      return `${status} ${body.code}`
    }
    assert.equal(await problem('/api/agent/nobody'), '404 QUERY_AGENT_UNKNOWN')
    assert.equal(await problem('/api/metrics/nobody'), '404 QUERY_AGENT_UNKNOWN')
    assert.equal(await problem('/api/metrics/a1/unknown'), '404 QUERY_SERIES_UNKNOWN')
    assert.equal(await problem('/api/metrics/a1/cpu%20load?from=yesterday'), '400 QUERY_INVALID')
    assert.equal(await problem('/api/metrics/a1/cpu%20load?bucket=1ms&from=-30d'), '400 QUERY_RANGE_TOO_LARGE')
    assert.equal(await problem('/api/metrics/a2/state?bucket=1h'), '400 QUERY_SERIES_TEXT')
    for (const question of [
      'agents?connected=false', 'agents?connected=true&connected=true', 'agents?connected=true&username=u', 'agents?username=u&username=v', 'agents?username[toString]=u',
      // As JSONP any website could read an answer in the browser of somebody who may ask.
      'agents?callback=steal', 'agent/a1?callback=steal', 'metrics?callback=steal', 'metrics/a1?callback=steal', 'metrics/a1/cpu%20load?callback=steal', 'openapi.json?callback=steal',
      'agents?connectd=true', 'agents?limit=0', 'agents?limit=1&limit=2', 'metrics?limit=many', 'agent/a1?from=-1h', 'metrics/a1?type=cpu', 'metrics/a1/cpu%20load?buckets=1h', 'metrics/a1/cpu%20load?__proto__[x]=1&From=-1h',
      'metrics/a1/cpu%20load?aggregates=max', 'metrics/a1/cpu%20load?bucket=1h&limit=5', 'metrics/a1/cpu%20load?points=1', 'metrics/a1/cpu%20load?bucket=day&timezone=Madrid', 'metrics?type[toString]=x',
      'metrics/a1/cpu%20load?limit=1&limit=2', 'metrics/a1/cpu%20load?from[toString]=now', 'metrics/a1/cpu%20load?bucket=1h&aggregates[toString]=avg'
    ]) assert.equal(await problem(`/api/${question}`), '400 QUERY_INVALID', question)
    assert.equal(await problem(`/api/metrics/a1/${encodeURIComponent('\' or 1=1 --')}`), '404 QUERY_SERIES_UNKNOWN')
  })
}

test('REST API asks for the token when there is one', { timeout: 120_000, skip: skipWithoutNodeRed(5) }, async t => {
  const { nodeRed, get } = await open(t, 5, { env: { PLATZIVERSE_API_TOKEN: 'open sesame' } })
  const statuses = await Promise.all([{}, { authorization: 'Bearer open sesam' }, { authorization: 'Bearer open sesame!' }, { authorization: 'Bearer open sesame' }].map(async headers => (await get('/api/agents', headers)).status))
  assert.deepEqual(statuses, [401, 401, 401, 200])
  // RFC 6750, 3: the scheme does not stand alone.
  const { headers } = await fetch(new URL('/api/agents', nodeRed.url))
  assert.equal(headers.get('www-authenticate'), 'Bearer realm="Platziverse"')
})

test('REST API asks for a token that is a number, too', { timeout: 120_000, skip: skipWithoutNodeRed(5) }, async t => {
  const { get } = await open(t, 5, { tab: { env: [{ name: 'PLATZIVERSE_API_TOKEN', value: '12345', type: 'num' }] } })
  const statuses = await Promise.all([{}, { authorization: 'Bearer 1234' }, { authorization: 'Bearer 12345' }].map(async headers => (await get('/api/agents', headers)).status))
  assert.deepEqual(statuses, [401, 401, 200])
})

test('REST API without a token answers this machine alone', { timeout: 120_000, skip: skipWithoutNodeRed(5) }, async t => {
  const { nodeRed, get } = await open(t, 5, { settings: { uiHost: '0.0.0.0' } })
  assert.equal((await get('/api/agents')).status, 200)
  for (const header of ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip', 'x-forwarded-host', 'cf-connecting-ip']) assert.equal((await get('/api/agents', { [header]: '192.0.2.1' })).status, 401, header)
  // A website whose name leads to this machine since a moment ago, and a proxy that passes on what it was called.
  for (const name of [`evil.example:${nodeRed.port}`, 'evil.example', '127.0.0.1.evil.example', 'localhost.evil.example', '192.0.2.1']) assert.equal(await askAs(nodeRed.port, name), 401, name)
  for (const name of ['localhost', `LOCALHOST:${nodeRed.port}`, '127.0.0.1', '127.8.0.1', `[::1]:${nodeRed.port}`]) assert.equal(await askAs(nodeRed.port, name), 200, name)
  const address = Object.values(networkInterfaces()).flat().find(found => found?.family === 'IPv4' && !found.internal)?.address
  if (address === undefined) t.diagnostic('this machine has no address but loopback: only the proxy\'s header was tried')
  else assert.equal((await get('/api/agents', {}, `http://${address}:${nodeRed.port}`)).status, 401)
})

test('REST API says so while the database is away', { timeout: 120_000, skip: skipWithoutNodeRed(5) }, async t => {
  const { nodeRed, get, knex } = await open(t, 5)
  await knex.destroy()
  const file = join(nodeRed.userDir, 'platziverse.sqlite')
  for (const end of ['', '-wal', '-shm']) await rm(`${file}${end}`, { force: true })
  await writeFile(file, 'no database any more, and long enough to be taken for one '.repeat(100))
  await restart(nodeRed)
  const { status, body } = await get('/api/agents') as { status: number, body: { code: string } }
  assert.deepEqual([status, body.code], [503, 'STORE_NOT_A_DATABASE'])
})

test('the description that REST API serves is the one of the package', async () => {
  const [served] = (await exampleFlow('REST API')).filter(({ name }) => name === 'openapi.json')
  const own = JSON.parse(await readFile(join(packageDir, 'docs', 'openapi.json'), 'utf8')) as unknown
  assert.deepEqual(JSON.parse(String(served?.template)), own, 'copy docs/openapi.json into the node "openapi.json" of the flow')
})

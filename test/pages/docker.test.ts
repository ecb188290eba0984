import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { connectAsync } from 'mqtt'
import { findContainerEngine } from '../helpers/container-engine.ts'
import { openDockerClone } from '../helpers/docker-clone.ts'
import { dockerFolder as folder, readStages, runStage, within } from '../helpers/dockerfile.ts'
import { until } from '../helpers/events.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, nodeFor, packageDir, packageName, skipWithoutNodeRed } from '../helpers/node-red.ts'
import { withoutMosquitto } from '../helpers/mosquitto.ts'
import { openPage, openShell } from '../helpers/pages.ts'
import { Sender } from '../helpers/sender.ts'
import { offerBuiltSqlite3 } from '../helpers/tarball.ts'

const page = await openPage('docker.md')
const require = createRequire(import.meta.url)
/** Of Node-RED's own yaml node. */
const yaml = createRequire(require.resolve('@node-red/nodes/package.json'))('js-yaml') as { load (text: string): unknown }

interface Service {
  hostname?: string
  command?: string[]
  extends?: { file: string, service: string }
  build?: { context: string, dockerfile: string }
  volumes?: string[]
  ports?: string[]
  environment?: Record<string, string>
  healthcheck?: { test: string[] }
}

const stages = await readStages()
const engine = await findContainerEngine([stages[0]?.from ?? '', 'eclipse-mosquitto:2', 'postgres:17'])
const lines = ['Start it', 'Look into it', 'With PostgreSQL', 'Back it up'].flatMap(heading => page.commands(heading)).join('').trim().split('\n')

describe('Docker, by what its containers run', () => {
  test('the steps of the Dockerfile make a Node-RED that runs the main flow, and the commands inside it work', { timeout: 600_000, skip: skipWithoutNodeRed(5) }, async t => {
    const shell = await openShell(t)
    Object.assign(shell.env, await offerBuiltSqlite3(shell.home))
    const node = nodeFor(5) ?? ''
    await shell.program('node', `exec "${node}" "$@"`)
    // Its users are those of the image.
    await shell.program('chown', '')
    const root = (path: string): string => join(shell.home, 'image', path)
    await mkdir(root('/tmp'), { recursive: true })
    for (const stage of stages) {
      assert.match(stage.from, /^node:24-bookworm-slim$/)
      await runStage(shell, root, stage)
    }

    const last = stages.at(-1)?.steps ?? []
    const of = (does: string): string => last.find(step => step.does === does)?.what ?? assert.fail(`no ${does}`)
    const place = root(of('WORKDIR'))
    const [editor, broker] = [await freePort(), await freePort()]
    await writeFile(root('/data/flows.json'), JSON.stringify(await exampleFlow('Monitor agents', { 'platziverse-broker': { port: broker } }, ['debug'])))
    const [program = '', ...args] = (JSON.parse(of('CMD')) as string[]).map(word => within(word, root))
    assert.equal(program, 'node')
    const nodeRed = spawn(node, args, { cwd: place, env: { ...shell.env, PORT: String(editor) }, stdio: ['ignore', 'pipe', 'pipe'] })
    t.after(() => { nodeRed.kill('SIGKILL') })
    let log = ''
    for (const stream of [nodeRed.stdout, nodeRed.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { log += text })
    await until(() => log, text => /Started flows/.test(text) || nodeRed.exitCode !== null, 60_000)
    assert.equal(nodeRed.exitCode, null, log)

    const health = of('HEALTHCHECK').replace(/^.*?CMD /, '').replace('1880', String(editor))
    await shell.run(`cd ${place}\n${health}`)
    const sets = await (await fetch(`http://127.0.0.1:${editor}/nodes`, { headers: { accept: 'application/json' } })).json() as Array<{ module: string, enabled: boolean, err?: string }>
    const ours = sets.filter(({ module }) => module === packageName)
    assert.ok(ours.length > 0 && ours.every(({ enabled, err }) => enabled && err === undefined))

    const sender = new Sender('sensor-1', `mqtt://127.0.0.1:${broker}`)
    const sending = sender.run()
    await until(() => sender.acknowledged.size, n => n > 10)
    await sender.stop()
    await sending
    const inside = lines.filter(line => line.includes(' exec ')).map(line => within(line.replace(/^docker .* exec (?:-T )?node-red /, ''), root))
    assert.equal(inside.length, 2)
    const answers = await Promise.all(inside.map(async line => await shell.run(`cd ${place}\n${line.replace('> metrics', '> ~/metrics')}`)))
    assert.match(answers[0] ?? '', /^metrics +\d+$/m)
    assert.match(await shell.run('gunzip --stdout ~/metrics.ndjson.gz'), /"sensor-1"/)
    await shell.run(`cd ${place}; node -e "require('pg')"`)

    nodeRed.kill('SIGTERM')
    await once(nodeRed, 'exit')
    assert.match(log, /Stopped flows/)
  })

  test('the compose files name what there is', async () => {
    const files = ['compose.yaml', 'compose.postgresql.yaml']
    const [first, second] = await Promise.all(files.map(async file => yaml.load(await readFile(join(folder, file), 'utf8')) as { services: Record<string, Service>, volumes: Record<string, null> }))
    const services = { ...first?.services, ...second?.services }
    const volumes = { ...first?.volumes, ...second?.volumes }
    assert.deepEqual(Object.keys(services), ['node-red', 'postgresql'])
    for (const { volumes: used = [] } of Object.values(services)) for (const volume of used) assert.ok((volume.split(':')[0] ?? '') in volumes, volume)

    const { build: { context = '', dockerfile = '' } = {}, ports = [], volumes: data } = services['node-red'] ?? {}
    assert.equal(join(folder, context), packageDir)
    assert.equal(join(folder, context, dockerfile), join(folder, 'Dockerfile'))
    assert.ok(existsSync(join(folder, 'Dockerfile.dockerignore')))
    const image = stages.at(-1)?.steps ?? []
    assert.deepEqual(data?.map(volume => volume.split(':')[1]), image.filter(({ does }) => does === 'VOLUME').map(({ what }) => what))
    assert.deepEqual(ports.map(port => port.split(':').at(-1)), image.find(({ does }) => does === 'EXPOSE')?.what.split(' '))
    assert.deepEqual(ports.filter(port => port.endsWith(':1880')), ['127.0.0.1:1880:1880'], 'the editor is for this machine')

    const { environment = {}, healthcheck } = services['postgresql'] ?? {}
    assert.deepEqual([environment['POSTGRES_DB'], environment['POSTGRES_USER'], healthcheck?.test.at(-1)], ['platziverse', 'platziverse', '--username=platziverse'])
    const variables = Object.values(environment).flatMap(value => [...value.matchAll(/\$\{(\w+)/g)].map(match => match[1]))
    const written = lines.filter(line => line.endsWith('> docs/docker/.env')).flatMap(line => [...line.matchAll(/"(\w+)=/g)].map(match => match[1]))
    assert.deepEqual(variables, written)

    const dockerLines = lines.filter(line => line.startsWith('docker '))
    assert.ok(dockerLines.length >= 5)
    for (const line of dockerLines) {
      assert.match(line, /^docker compose (?:--file docs\/docker\/compose[\w.]*\.yaml )+(?:up --detach --build|logs node-red|exec (?:-T )?node-red )/)
      for (const [, file = ''] of line.matchAll(/--file (\S+)/g)) assert.ok(existsSync(join(packageDir, file)), file)
    }
  })

  test('the password of the database is made where compose looks for it', async t => {
    const shell = await openShell(t)
    await mkdir(join(shell.home, 'docs', 'docker'), { recursive: true })
    const line = lines.find(line => line.endsWith('.env')) ?? assert.fail('no such line')
    await shell.run(line)
    assert.match(await readFile(join(shell.home, 'docs', 'docker', '.env'), 'utf8'), /^POSTGRES_PASSWORD=[0-9a-f]{48}\n$/)
    // Compose reads it beside the first of its files.
    assert.equal(dirname(join('docs', 'docker', 'compose.yaml')), join('docs', 'docker'))
  })

  describe('several workers', () => {
    const workerLines = page.commands('Several workers').join('').trim().split('\n')
    const example = 'Workers on an external broker'

    async function compose (): Promise<{ services: Record<string, Service>, volumes: Record<string, null> }> {
      return yaml.load(await readFile(join(folder, 'compose.workers.yaml'), 'utf8')) as { services: Record<string, Service>, volumes: Record<string, null> }
    }

    test('the compose file names what there is, and gives the example what it asks for', async () => {
      const { services, volumes } = await compose()
      assert.deepEqual(Object.keys(services), ['mosquitto', 'postgresql', 'worker-1', 'worker-2'])
      const { file = '', service = '' } = services['postgresql']?.extends ?? {}
      const extended = yaml.load(await readFile(join(folder, file), 'utf8')) as { services: Record<string, Service> }
      assert.ok(service in extended.services)
      const used = [...Object.values(services), ...Object.values(extended.services)].flatMap(({ volumes = [] }) => volumes.map(volume => volume.split(':')[0] ?? ''))
      for (const volume of used) assert.ok(volume.startsWith('./') ? existsSync(join(folder, volume)) : volume in volumes, volume)

      const image = stages.at(-1)?.steps ?? []
      const workers = [services['worker-1'], services['worker-2']].filter(worker => worker !== undefined)
      assert.deepEqual(workers.map(({ hostname }) => hostname), ['worker-1', 'worker-2'], 'each has a session of its own')
      const program = (JSON.parse(image.find(({ does }) => does === 'CMD')?.what ?? '[]') as string[]).join(' ')
      for (const { build, ports = [], volumes: data, command = [], environment = {} } of workers) {
        assert.deepEqual([join(folder, build?.context ?? ''), build?.dockerfile], [packageDir, 'docs/docker/Dockerfile'])
        assert.ok(ports.every(port => /^127\.0\.0\.1:188[01]:1880$/.test(port)), 'the editors are for this machine')
        assert.deepEqual(data?.map(volume => volume.split(':')[1]), ['/data'])
        assert.ok(command.at(-1)?.endsWith(`/data/flows.json; exec ${program}`), 'it starts as the image does')
        assert.ok(command.at(-1)?.includes(`node_modules/${packageName}/examples/${example}.json`))
        const [tab] = await exampleFlow(example)
        for (const { name } of tab?.['env'] as Array<{ name: string }>) assert.ok(name in environment || name === 'PGPORT', name)
        assert.equal(environment['PGDATABASE'], extended.services[service]?.environment?.['POSTGRES_DB'])
        assert.equal(environment['PGUSER'], extended.services[service]?.environment?.['POSTGRES_USER'])
      }
      for (const line of workerLines.filter(line => line.startsWith('docker '))) {
        assert.match(line, /^docker compose --file docs\/docker\/compose\.workers\.yaml (?:up --detach --build$|exec mosquitto mosquitto_passwd -b |kill --signal HUP mosquitto$)/)
      }
      const scaling = await readFile(join(packageDir, 'docs', 'scaling.md'), 'utf8')
      assert.ok(scaling.includes(`\`\`\`\n${await readFile(join(folder, 'mosquitto.conf'), 'utf8')}\`\`\`\n`), 'the page shows the file')
    })

    test('a worker starts with the example, and keeps what was deployed', async t => {
      const shell = await openShell(t)
      const { services } = await compose()
      const root = (path: string): string => join(shell.home, path)
      const copies = within((services['worker-1']?.command?.at(-1) ?? '').replace(/; exec .*$/, ''), root)
      const examples = root(`node_modules/${packageName}/examples`)
      await Promise.all([mkdir(examples, { recursive: true }), mkdir(root('/data'))])
      await cp(join(packageDir, 'flows', `${example}.json`), join(examples, `${example}.json`))
      await shell.run(`cd ${shell.home}\n${copies}`)
      assert.deepEqual(JSON.parse(await readFile(root('/data/flows.json'), 'utf8')), await exampleFlow(example))
      await writeFile(root('/data/flows.json'), '[]')
      await shell.run(`cd ${shell.home}\n${copies} || true`)
      assert.equal(await readFile(root('/data/flows.json'), 'utf8'), '[]')
    })

    test('Mosquitto lets in the workers, and an agent once it has a user; the passwords are made where compose looks for them', { skip: withoutMosquitto }, async t => {
      const shell = await openShell(t)
      await mkdir(join(shell.home, 'docs', 'docker'), { recursive: true })
      await shell.run(workerLines.find(line => line.endsWith('.env')) ?? '')
      const made = await readFile(join(shell.home, 'docs', 'docker', '.env'), 'utf8')
      assert.match(made, /^POSTGRES_PASSWORD=[0-9a-f]{48}\nMQTT_PASSWORD=[0-9a-f]{48}\n$/)
      const password = /MQTT_PASSWORD=(\w+)/.exec(made)?.[1] ?? ''

      // As the container has it.
      const place = join(shell.home, 'mosquitto')
      await Promise.all(['data', 'config'].map(name => mkdir(join(place, name), { recursive: true })))
      await shell.run(`chmod 755 ~ && chmod -R 777 ${place}`)
      const here = (text: string): string => text.replaceAll(/(?<![\w.])\/mosquitto\//g, `${place}/`)
      const port = await freePort()
      const configuration = here(await readFile(join(folder, 'mosquitto.conf'), 'utf8')).replace('listener 1883', `listener ${port} 127.0.0.1`)
      await writeFile(join(place, 'config', 'mosquitto.conf'), configuration)
      const { services } = await compose()
      const command = here(services['mosquitto']?.command?.at(-1) ?? '').replaceAll('$$', '$')
      const mosquitto = spawn('sh', ['-c', command], { env: { ...shell.env, PATH: `${shell.env['PATH']}:/usr/sbin`, MQTT_PASSWORD: password }, stdio: ['ignore', 'ignore', 'pipe'] })
      t.after(() => { mosquitto.kill('SIGKILL') })
      let log = ''
      mosquitto.stderr.setEncoding('utf8').on('data', (text: string) => { log += text })
      await until(() => log, text => / running/.test(text) || mosquitto.exitCode !== null, 20_000)
      assert.equal(mosquitto.exitCode, null, log)
      const comesIn = async (options: object): Promise<boolean> => {
        const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { reconnectPeriod: 0, ...options }).catch(() => undefined)
        client?.end(true)
        return client !== undefined
      }
      assert.deepEqual([await comesIn({ username: 'worker', password }), await comesIn({}), await comesIn({ username: 'sensor-01', password })], [true, false, false])
      const adds = workerLines.find(line => line.includes(' mosquitto_passwd ')) ?? ''
      await shell.run(here(adds.replace(/^.* exec mosquitto /, '')))
      mosquitto.kill('SIGHUP')
      assert.ok(await until(() => comesIn({ username: 'sensor-01', password: 'a password of its own' }), Boolean))
      const gone = once(mosquitto, 'exit')
      mosquitto.kill('SIGTERM')
      await gone
      assert.ok(existsSync(join(place, 'data', 'mosquitto.db')), 'its sessions are saved')
    })
  })
})

/** The lines below a heading, without a terminal for `exec`. */
const linesOn = (heading: string): string[] => page.commands(heading).join('').trim().split('\n').map(line => line.replace(/ exec (?!-T)/, ' exec -T '))

if (typeof engine === 'string') console.warn(`No container is built, because there is no container engine: ${engine}. What runs in them is run without one.`)
else {
  describe(`Docker, on ${engine.program}`, { concurrency: 1 }, () => {
    test('the container of Node-RED is built, becomes healthy, stores, can be looked into and backed up, and ends in order', { timeout: 1_500_000 }, async t => {
      const clone = await openDockerClone(t, engine, 'compose.yaml', ['127.0.0.1:1880:1880', '8083:8083'])
      for (const line of linesOn('Start it').slice(1)) await clone.run(line)
      assert.ok(await until(() => clone.healthy('node-red'), Boolean, 120_000))
      const editor = `http://127.0.0.1:${clone.port('127.0.0.1:1880:1880')}`
      const flow = JSON.stringify(await exampleFlow('Monitor agents', { 'platziverse-broker': { anonymous: true } }, ['debug']))
      const deployed = await fetch(`${editor}/flows`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: flow })
      assert.ok(deployed.ok, await deployed.text())

      const agent = await connectAsync(`mqtt://127.0.0.1:${clone.port('8083:8083')}`, { clientId: 'sensor-1' })
      await agent.publishAsync('agent/message', JSON.stringify({ agent: { uuid: 'sensor-1' }, metrics: [{ type: 'temperature', value: 21.5 }] }), { qos: 1 })
      await agent.endAsync()
      for (const line of [...linesOn('Look into it'), ...linesOn('Back it up')]) {
        const answer = await clone.run(line)
        if (line.includes(' status ')) assert.match(answer, /^metrics +[1-9]/m)
      }
      assert.match(await clone.run('gunzip --stdout metrics.ndjson.gz'), /"sensor-1"/)
      assert.deepEqual(await clone.stop(['node-red']), [0])
    })

    test('the containers of several workers are built, become healthy, store what an agent publishes once, and end in order', { timeout: 1_500_000 }, async t => {
      const services = ['mosquitto', 'postgresql', 'worker-1', 'worker-2']
      const clone = await openDockerClone(t, engine, 'compose.workers.yaml', ['127.0.0.1:1880:1880', '127.0.0.1:1881:1880', '1883:1883'])
      const lines = linesOn('Several workers')
      const [first = '', ...others] = lines
      await clone.run(first)
      const starts = others.findIndex(line => line.endsWith(' up --detach --build'))
      for (const line of others.slice(0, starts + 1)) await clone.run(line)
      for (const service of services.slice(1)) assert.ok(await until(() => clone.healthy(service), Boolean, 120_000), service)
      for (const line of others.slice(starts + 1)) await clone.run(line)

      const url = `mqtt://127.0.0.1:${clone.port('1883:1883')}`
      const login = { username: 'sensor-01', password: 'a password of its own' }
      const agent = await until(() => connectAsync(url, { ...login, protocolVersion: 5, reconnectPeriod: 0 }).catch(() => undefined), client => client !== undefined)
      const asks = `docker compose --file docs/docker/compose.workers.yaml exec -T postgresql psql --username=platziverse --command "select 'rows: ' || count(*) from metrics"`
      const count = async (): Promise<number> => Number(/rows: (\d+)/.exec(await clone.run(asks))?.[1])
      const began = Date.now()
      const publish = async (i: number): Promise<number> => {
        const message = { agent: { uuid: 'sensor-01' }, metrics: [{ type: 'count', value: i }], timestamp: began + i }
        return (await agent?.publishAsync('agent/message', JSON.stringify(message), { qos: 1 }) as { reasonCode?: number }).reasonCode ?? 0
      }
      // 16: nobody has subscribed.
      await until(() => publish(0), reason => reason === 0, 60_000)
      for (let i = 1; i < 200; i++) await publish(i)
      await agent?.endAsync()
      await until(count, rows => rows === 200, 60_000)
      assert.deepEqual(await clone.stop(services), [0, 0, 0, 0])
    })
  })
}

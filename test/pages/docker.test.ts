import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { describe, test } from 'node:test'
import { connectAsync } from 'mqtt'
import { until } from '../helpers/events.ts'
import { exampleFlow } from '../helpers/main-flow.ts'
import { freePort, nodeFor, packageDir, packageName, skipWithoutNodeRed } from '../helpers/node-red.ts'
import { withoutMosquitto } from '../helpers/mosquitto.ts'
import { openPage, openShell, type Shell } from '../helpers/pages.ts'
import { Sender } from '../helpers/sender.ts'
import { offerBuiltSqlite3 } from '../helpers/tarball.ts'

const page = await openPage('docker.md')
const folder = join(packageDir, 'docs', 'docker')
const require = createRequire(import.meta.url)
/** Of Node-RED's own yaml node. */
const yaml = createRequire(require.resolve('@node-red/nodes/package.json'))('js-yaml') as { load (text: string): unknown }

interface Stage { from: string, name: string | undefined, steps: Array<{ does: string, what: string }> }

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

const stages: Stage[] = []
for (const line of (await readFile(join(folder, 'Dockerfile'), 'utf8')).split('\n')) {
  const [, does = '', what = ''] = /^([A-Z]+) (.*)$/.exec(line) ?? []
  if (does === 'FROM') stages.push({ from: what.split(' ')[0] ?? '', name: / AS (\w+)$/.exec(what)?.[1], steps: [] })
  else if (does !== '') stages.at(-1)?.steps.push({ does, what })
}
const lines = ['Start it', 'Look into it', 'With PostgreSQL', 'Back it up'].flatMap(heading => page.commands(heading)).join('').trim().split('\n')

/** Runs a stage of the Dockerfile without a container: its paths begin at `root`. */
async function build (shell: Shell, root: (path: string) => string, { steps }: Stage): Promise<void> {
  let place = root('/')
  for (const { does, what } of steps) {
    if (does === 'WORKDIR') await mkdir(place = root(what), { recursive: true })
    else if (does === 'COPY' && what === '. .') await copyContext(place)
    else if (does === 'COPY') await shell.run(`cp ${what.replace(/^--from=\w+ /, '').split(' ').map(root).join(' ')} || test -f ${root(what.split(' ').at(-2) ?? '')}`)
    else if (does === 'RUN') await shell.run(`cd ${place}\n${within(what, root)}`)
  }
}

/** What the build sees of the clone. */
async function copyContext (place: string): Promise<void> {
  const ignored = (await readFile(join(folder, 'Dockerfile.dockerignore'), 'utf8')).trim().split('\n')
  await cp(packageDir, place, {
    recursive: true,
    filter: source => {
      const path = relative(packageDir, source)
      return path === '' || !ignored.some(pattern => pattern === path || pattern === `**/${basename(path)}` || (pattern.startsWith('*.') && !path.includes('/') && path.endsWith(pattern.slice(1))))
    }
  })
}

function within (command: string, root: (path: string) => string): string {
  return command.replace(/(?<=^|[\s"'])\/(?:tmp|data|package)\b/g, root)
}

describe('Docker, without a container engine', () => {
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
      await build(shell, root, stage)
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

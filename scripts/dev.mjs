// `npm run dev`: what `npm start` starts, kept up to date. A file that is saved is built, Node-RED starts anew, and open editors reload.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { answers, home, makeHome, port, startNodeRed } from './node-red.mjs'
import { needPorts } from './ports.mjs'
import { node24, prepare, root } from './setup.mjs'

/** ms without a change after which what was saved is built: editors and `git` write many files at once. */
const pause = 300

await needPorts(port, makeHome())
await prepare()
const editors = await serveEditors()
let nodeRed = start()
let restarting = Promise.resolve()
let timer

const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const tsc = spawn(node24, [compiler, '-p', 'tsconfig.build.json', '--watch', '--preserveWatchOutput'], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'inherit']
})
// The first time it says so it found what `prepare` has built.
let compilations = 0
tsc.stdout.setEncoding('utf8').on('data', text => {
  process.stdout.write(text)
  if (/Found \d+ errors?\./.test(text) && ++compilations > 1) plan()
})
// What tsc does not see: build.ts makes it.
for (const folder of ['nodes', 'icons', 'flows']) {
  watch(join(root, folder), { recursive: true }, (_event, file) => {
    if (file !== null && (!file.endsWith('.ts') || /[\\/]editor\b/.test(file))) plan()
  })
}
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    tsc.kill()
    if (!isRunning()) process.exit(0)
    nodeRed.kill(signal)
    nodeRed.once('exit', () => process.exit(0))
  })
}

function start () {
  return startNodeRed({ 'editorTheme.page.scripts': [editors.script] })
}

function isRunning () {
  return nodeRed.exitCode === null && nodeRed.signalCode === null
}

function plan () {
  clearTimeout(timer)
  timer = setTimeout(() => { restarting = restarting.then(restart) }, pause)
}

async function restart () {
  const [code] = await once(spawn(node24, ['scripts/build.ts'], { cwd: root, stdio: 'inherit' }), 'exit')
  if (code !== 0) return
  if (isRunning()) {
    nodeRed.kill()
    await once(nodeRed, 'exit')
  }
  nodeRed = start()
  if (await answers(port, nodeRed)) editors.reload()
}

/** A script for the editor's page, and what tells it to reload: a stream of events on a port of its own. */
async function serveEditors () {
  const pages = new Set()
  const server = createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'access-control-allow-origin': '*' }).flushHeaders()
    pages.add(response)
    request.on('close', () => pages.delete(response))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const script = join(home, 'reload.js')
  writeFileSync(script, `new EventSource('http://127.0.0.1:${server.address().port}/').onmessage = () => { location.reload() }\n`)
  return {
    script,
    reload () { for (const page of pages) page.write('data: reload\n\n') }
  }
}

// What `npm start` and `npm run dev` share: a Node-RED in a user directory of its own, with this package, FlowFuse Dashboard, and the flows
// "Monitor agents", "Live dashboard" and "Sensors and commands".
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { translated } from './flow-texts.mjs'
import { memoryFlags, node24, root } from './setup.mjs'
import { language, locale } from './texts.mjs'

export const port = process.env.PORT || '1880'
export const home = resolve(process.env.PLATZIVERSE_HOME || join(root, '.node-red'))
const flowFile = join(home, 'flows.json')
/** The broker of "Monitor agents". */
const brokerId = '00c5546d19359103'
const usualPort = '8083'
// The editor has no password until somebody sets one, so it listens on this machine only.
const settings = () => `// Node-RED's settings: https://nodered.org/docs/user-guide/runtime/configuration
module.exports = {
  uiHost: '127.0.0.1',
  uiPort: process.env.PORT || 1880,
  flowFile: 'flows.json',
  // Of this user directory: what its credentials, such as passwords, are encrypted with.
  credentialSecret: '${randomBytes(16).toString('hex')}',
  lang: process.env.PLATZIVERSE_LANG,
  // Without the dialogs that would cover the flow at the first start: the tour, and the question about update checks.
  telemetry: { enabled: false, updateNotification: false },
  editorTheme: { tours: false, projects: { enabled: false } }
}
`
const settingsUntil010 = `// Node-RED's settings: https://nodered.org/docs/user-guide/runtime/configuration
module.exports = {
  uiHost: '127.0.0.1',
  uiPort: process.env.PORT || 1880,
  flowFile: 'flows.json'
}
`

/**
 * Makes the user directory; files that are there already stay as they are, but for the ports in the flow, which are those of
 * this start, and settings that an earlier version made and nobody changed.
 * @returns the port of the flow's broker; undefined: it was taken out, or disabled
 */
export function makeHome () {
  link('@platziverse/node-red-platziverse', root)
  link('@flowfuse/node-red-dashboard', join(root, 'node_modules', '@flowfuse', 'node-red-dashboard'))
  const manifest = { name: 'platziverse-home', private: true, dependencies: { '@platziverse/node-red-platziverse': '*', '@flowfuse/node-red-dashboard': '*' } }
  writeOnce('package.json', JSON.stringify(manifest, null, 2) + '\n')
  writeOnce('settings.js', settings(), [settingsUntil010])
  const flows = ['Monitor agents', 'Live dashboard', 'Sensors and commands'].flatMap(name => JSON.parse(readFileSync(join(root, 'flows', `${name}.json`), 'utf8')))
  // They share the pages of one dashboard.
  const flow = [...new Map(flows.map(node => [node.id, node])).values()]
  writeOnce('flows.json', JSON.stringify(translated(flow, language), null, 4) + '\n')
  return setPorts()
}

/** The path of the dashboard; undefined where the flows have none, as those of an older user directory. */
export function dashboardPath () {
  return JSON.parse(readFileSync(flowFile, 'utf8')).find(({ type }) => type === 'ui-base')?.path
}

function link (name, target) {
  const place = join(home, 'node_modules', ...name.split('/'))
  mkdirSync(dirname(place), { recursive: true })
  rmSync(place, { recursive: true, force: true })
  symlinkSync(target, place, process.platform === 'win32' ? 'junction' : 'dir')
}

/** @param former what earlier versions wrote: nobody has changed it, so it is replaced */
function writeOnce (name, text, former = []) {
  const file = join(home, name)
  if (!existsSync(file) || former.includes(readFileSync(file, 'utf8'))) writeFileSync(file, text)
}

/** Gives the broker, and what connects to it, the port of `MQTT_PORT`, if there is one, and names the broker's port and the editor's in the comments beside it. */
function setPorts () {
  const saved = readFileSync(flowFile, 'utf8')
  const flow = JSON.parse(saved)
  const broker = flow.find(({ id }) => id === brokerId)
  if (broker === undefined || broker.d === true || flow.some(({ id, disabled }) => id === broker.z && disabled === true)) return undefined
  const before = isPort(broker.port) ? String(broker.port) : usualPort
  const wished = process.env.MQTT_PORT || before
  // Whoever asked for it is told.
  if (!isPort(wished) || !isPort(port)) return wished
  broker.port = Number(wished)
  for (const node of flow) if (node.type === 'mqtt-broker' && node.broker === '127.0.0.1' && String(node.port) === before) node.port = wished
  const renamed = (text = '') => text
    .replace(new RegExp(`\\b${before}\\b`, 'g'), wished)
    .replace(/http:\/\/127\.0\.0\.1:\d+\//g, `http://127.0.0.1:${port}/`)
  for (const node of flow) if (node.type === 'comment' && node.z === broker.z) Object.assign(node, { name: renamed(node.name), info: renamed(node.info) })
  if (JSON.stringify(flow) !== JSON.stringify(JSON.parse(saved))) writeFileSync(flowFile, JSON.stringify(flow, null, 4) + '\n')
  return wished
}

export function isPort (value) {
  return /^\d+$/.test(value) && value >= 1 && value <= 65_535
}

/** @param settings overwrite those of the user directory, by their paths: see `node-red --help`, `-D` */
export function startNodeRed (settings = {}) {
  const overwritten = Object.entries(settings).flatMap(([path, value]) => ['-D', `${path}=${JSON.stringify(value)}`])
  return spawn(node24, [...memoryFlags, join(root, 'node_modules', 'node-red', 'red.js'), '--userDir', home, ...overwritten], {
    cwd: home,
    env: { ...process.env, PORT: port, PLATZIVERSE_LANG: locale },
    stdio: ['ignore', 'inherit', 'inherit']
  })
}

/** Resolves with true once something listens on the port of this machine, and with false when Node-RED ended before, or `patience` ms. */
export async function answers (port, nodeRed, patience = Infinity) {
  const until = Date.now() + patience
  while (nodeRed.exitCode === null && nodeRed.signalCode === null && Date.now() < until) {
    if (await isOpen(port)) return true
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  return false
}

/** Whether something listens on the port of this machine. */
export function isOpen (port) {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port: Number(port) }, () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
}

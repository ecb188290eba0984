// What `npm start` and `npm run dev` share: a Node-RED in a user directory of its own, with this package and the flow "Monitor agents".
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { memoryFlags, node24, root } from './setup.mjs'

export const port = process.env.PORT || '1880'
export const mqttPort = process.env.MQTT_PORT || '8083'
export const home = resolve(process.env.PLATZIVERSE_HOME || join(root, '.node-red'))

/** Makes the user directory; files that are there already stay as they are. */
export function makeHome () {
  const modules = join(home, 'node_modules', '@platziverse')
  const link = join(modules, 'node-red-platziverse')
  mkdirSync(modules, { recursive: true })
  rmSync(link, { recursive: true, force: true })
  symlinkSync(root, link, process.platform === 'win32' ? 'junction' : 'dir')
  const manifest = { name: 'platziverse-home', private: true, dependencies: { '@platziverse/node-red-platziverse': '*' } }
  writeOnce('package.json', JSON.stringify(manifest, null, 2) + '\n')
  // The editor has no password until somebody sets one, so it listens on this machine only.
  writeOnce('settings.js', `// Node-RED's settings: https://nodered.org/docs/user-guide/runtime/configuration
module.exports = {
  uiHost: '127.0.0.1',
  uiPort: process.env.PORT || 1880,
  flowFile: 'flows.json'
}
`)
  const flow = JSON.parse(readFileSync(join(root, 'flows', 'Monitor agents.json'), 'utf8'))
  for (const node of flow) if (node.type === 'platziverse-broker') node.port = '${MQTT_PORT}'
  writeOnce('flows.json', JSON.stringify(flow, null, 2) + '\n')
}

function writeOnce (name, text) {
  const file = join(home, name)
  if (!existsSync(file)) writeFileSync(file, text)
}

/** @param settings overwrite those of the user directory, by their paths: see `node-red --help`, `-D` */
export function startNodeRed (settings = {}) {
  const overwritten = Object.entries(settings).flatMap(([path, value]) => ['-D', `${path}=${JSON.stringify(value)}`])
  return spawn(node24, [...memoryFlags, join(root, 'node_modules', 'node-red', 'red.js'), '--userDir', home, ...overwritten], {
    cwd: home,
    env: { ...process.env, PORT: port, MQTT_PORT: mqttPort },
    stdio: ['ignore', 'inherit', 'inherit']
  })
}

/** Resolves with true once something listens on the port of this machine, and with false when Node-RED ended before. */
export async function answers (port, nodeRed) {
  while (nodeRed.exitCode === null && nodeRed.signalCode === null) {
    const open = await new Promise(resolve => {
      const socket = connect({ host: '127.0.0.1', port: Number(port) }, () => resolve(true))
      socket.on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (open) return true
    await new Promise(resolve => setTimeout(resolve, 200))
  }
  return false
}

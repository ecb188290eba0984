// `npm start`: Node-RED 5 with this package, the flow "Monitor agents" deployed, in a user directory of its own.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join, resolve } from 'node:path'
import { memoryFlags, node24, prepare, root } from './setup.mjs'

const port = process.env.PORT || '1880'
const mqttPort = process.env.MQTT_PORT || '8083'
const home = resolve(process.env.PLATZIVERSE_HOME || join(root, '.node-red'))

prepare()
makeHome()
const nodeRed = spawn(node24, [...memoryFlags, join(root, 'node_modules', 'node-red', 'red.js'), '--userDir', home], {
  cwd: home,
  env: { ...process.env, PORT: port, MQTT_PORT: mqttPort },
  stdio: ['ignore', 'inherit', 'inherit']
})
let ended = false
nodeRed.on('exit', (code, signal) => {
  ended = true
  process.exitCode = code ?? (signal === null ? 1 : 0)
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => nodeRed.kill(signal))

await Promise.all([answers(port), answers(mqttPort)])
if (!ended) {
  console.log(`
  Editor   http://127.0.0.1:${port}/
  Broker   mqtt://127.0.0.1:${mqttPort}

  Listen   mosquitto_sub -p ${mqttPort} -t 'agent/#' -v
  Stop     Ctrl+C
`)
}

/** A user directory that has this package installed; what is there already stays as it is. */
function makeHome () {
  const modules = join(home, 'node_modules', '@platziverse')
  const link = join(modules, 'node-red-platziverse')
  mkdirSync(modules, { recursive: true })
  rmSync(link, { recursive: true, force: true })
  symlinkSync(root, link, process.platform === 'win32' ? 'junction' : 'dir')
  writeOnce('package.json', JSON.stringify({ name: 'platziverse-home', private: true, dependencies: { '@platziverse/node-red-platziverse': '*' } }, null, 2) + '\n')
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

/** Resolves once something listens on the port, or Node-RED ended. */
async function answers (port) {
  while (!ended) {
    const open = await new Promise(resolve => {
      const socket = connect({ host: '127.0.0.1', port: Number(port) }, () => resolve(true))
      socket.on('error', () => resolve(false))
      socket.on('connect', () => socket.destroy())
    })
    if (open) return
    await new Promise(resolve => setTimeout(resolve, 200))
  }
}

// `npm start`: Node-RED 5 with this package, the flow "Monitor agents" deployed, in a user directory of its own.
import { answers, makeHome, mqttPort, port, startNodeRed } from './node-red.mjs'
import { prepare } from './setup.mjs'

prepare()
makeHome()
const nodeRed = startNodeRed()
nodeRed.on('exit', (code, signal) => { process.exitCode = code ?? (signal === null ? 1 : 0) })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => nodeRed.kill(signal))

const open = await Promise.all([answers(port, nodeRed), answers(mqttPort, nodeRed)])
if (open.every(Boolean)) {
  console.log(`
  Editor   http://127.0.0.1:${port}/
  Broker   mqtt://127.0.0.1:${mqttPort}

  Listen   mosquitto_sub -p ${mqttPort} -t 'agent/#' -v
  Stop     Ctrl+C
`)
}

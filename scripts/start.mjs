// `npm start`: Node-RED 5 with this package, the flows "Monitor agents", "Live dashboard" and "Sensors and commands" deployed, in a
// user directory of its own.
import { answers, dashboardPath, makeHome, port, startNodeRed } from './node-red.mjs'
import { needPorts } from './ports.mjs'
import { prepare } from './setup.mjs'
import { text } from './texts.mjs'

/** ms that the broker may take longer than the editor. */
const brokerPatience = 30_000

const mqttPort = makeHome()
await needPorts(port, mqttPort)
await prepare()

console.log(`${text.start}…`)
const nodeRed = startNodeRed()
nodeRed.on('exit', (code, signal) => { process.exitCode = code ?? (signal === null ? 1 : 0) })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => nodeRed.kill(signal))

if (await answers(port, nodeRed)) {
  const hasBroker = mqttPort !== undefined && await answers(mqttPort, nodeRed, brokerPatience)
  const dashboard = dashboardPath()
  const lines = [
    [text.editor, `http://127.0.0.1:${port}/`],
    [text.dashboard, dashboard === undefined ? text.noDashboard : `http://127.0.0.1:${port}${dashboard}`],
    ...hasBroker ? [[text.broker, `mqtt://127.0.0.1:${mqttPort}`], [text.listen, `mosquitto_sub -p ${mqttPort} -t 'agent/#' -v`]] : [],
    [text.stop, 'Ctrl+C']
  ]
  console.log(`\n${lines.map(([name, what]) => `  ${name.padEnd(9)} ${what}\n`).join('')}`)
}

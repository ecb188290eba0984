// Whether Node-RED and its broker will get their ports, asked before anything takes time.
import { createServer } from 'node:net'
import { isOpen, isPort } from './node-red.mjs'
import { text } from './texts.mjs'

/**
 * Says what is wrong with the ports, and ends the process, if anything is.
 * @param mqttPort undefined: there is no broker
 */
export async function needPorts (port, mqttPort) {
  const problems = [await portProblem('PORT', port, text.editorTaken)]
  if (mqttPort !== undefined) problems.push(await portProblem('MQTT_PORT', mqttPort, text.brokerTaken))
  const said = problems.filter(problem => problem !== undefined)
  for (const problem of said) console.error(problem)
  if (said.length > 0) process.exit(1)
}

async function portProblem (name, value, taken) {
  if (!isPort(value)) return text.portInvalid(name, value)
  const port = Number(value)
  // Some systems let a second program listen on an address of a port on which another one listens on every address.
  if (await isOpen(port)) return taken(port)
  const server = createServer()
  try {
    await new Promise((resolve, reject) => { server.once('error', reject).listen(port, '127.0.0.1', resolve) })
  } catch ({ code }) {
    return code === 'EACCES' ? text.portDenied(port) : taken(port)
  }
  await new Promise(resolve => server.close(resolve))
  return undefined
}

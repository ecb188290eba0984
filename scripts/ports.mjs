// Whether Node-RED and its broker will get their ports, asked before anything takes time.
import { createServer } from 'node:net'
import { isOpen, isPort } from './node-red.mjs'
import { text } from './texts.mjs'

/**
 * What is wrong with the ports, in sentences.
 * @param mqttPort undefined: there is no broker
 */
export async function portProblems (port, mqttPort) {
  const problems = [await portProblem('PORT', port, text.editorTaken)]
  if (mqttPort !== undefined) problems.push(await portProblem('MQTT_PORT', mqttPort, text.brokerTaken))
  return problems.filter(problem => problem !== undefined)
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

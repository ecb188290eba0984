import { createInterface } from 'node:readline'
import type { MqttClient } from 'mqtt'
import { PlatziverseError } from '../errors.ts'
import { topicProblem } from '../messages/topic-template.ts'
import { isTaken, refusalOf } from '../mqtt/link/publish-answer.ts'
import { addressOf, linked, linkOptions, qosOf } from './link.ts'
import { readOptions } from './read-options.ts'
import { invalid, languageOf, textsIn } from './texts/texts.ts'

const options = {
  ...linkOptions,
  topic: { type: 'string', short: 't' },
  message: { type: 'string', short: 'm' },
  'null-message': { type: 'boolean', short: 'n' },
  'stdin-file': { type: 'boolean', short: 's' },
  'stdin-line': { type: 'boolean', short: 'l' },
  qos: { type: 'string', short: 'q' },
  retain: { type: 'boolean', short: 'r' }
} as const

/** Bytes of a message that MQTT can carry, at most. [MQTT-2.2.3] */
const mostBytes = 268_435_455

/** `platziverse-agent pub`. @throws PlatziverseError TERMINAL_… */
export async function publish (args: string[]): Promise<void> {
  const values = readOptions(args, options)
  const texts = textsIn(languageOf(values.lang))
  if (values.help === true) return void process.stdout.write(`${texts.pubHelp}\n${texts.linkHelp}\n`)
  const { topic } = values
  if (topic === undefined) throw invalid('--topic is missing.')
  const problem = topicProblem(topic)
  if (problem !== undefined) throw invalid(problem)
  const ways = [values.message !== undefined, values['null-message'], values['stdin-file'], values['stdin-line']]
  if (ways.filter(way => way === true).length !== 1) throw invalid('Give one of --message, --null-message, --stdin-file and --stdin-line.')
  const how = { qos: qosOf(values.qos), retain: values.retain === true }
  const address = addressOf(values)
  // Before the connection: a broker ends one that says nothing.
  const whole = values['stdin-line'] === true ? undefined : values['stdin-file'] === true ? await wholeInput() : values.message ?? ''
  try {
    await linked(address, async client => {
      if (whole !== undefined) await publishOne(client, topic, whole, how)
      else await publishLines(client, topic, how)
    })
  } finally {
    process.stdin.destroy()
  }
}

/** @throws PlatziverseError TERMINAL_OPTION_INVALID */
async function wholeInput (): Promise<Buffer> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of process.stdin) {
    bytes += (piece as Buffer).length
    if (bytes > mostBytes) throw invalid('--stdin-file reads more than the 256 MB that a message of MQTT may have.')
    pieces.push(piece as Buffer)
  }
  return Buffer.concat(pieces)
}

/** One after the other: a file may be longer than memory. */
async function publishLines (client: MqttClient, topic: string, how: { qos: 0 | 1 | 2, retain: boolean }): Promise<void> {
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) await publishOne(client, topic, line, how)
}

/** @throws PlatziverseError TERMINAL_PUBLISH_REFUSED */
async function publishOne (client: MqttClient, topic: string, payload: string | Buffer, how: { qos: 0 | 1 | 2, retain: boolean }): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    client.publish(topic, payload, how, (error, answer) => {
      const refusal = refusalOf(error, answer)
      if (refusal !== undefined) reject(new PlatziverseError('TERMINAL_PUBLISH_REFUSED', `The broker refused a message: ${refusal}.`, { cause: error }))
      else if (error && !isTaken(error, answer)) reject(error)
      else resolve()
    })
  })
}

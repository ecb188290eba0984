import { isUtf8 } from 'node:buffer'
import type { IPublishPacket, MqttClient } from 'mqtt'
import { PlatziverseError } from '../errors.ts'
import { parseSubscription } from '../mqtt/topic-filters.ts'
import { addressOf, keepLinked, linkOptions, numberOf, paceBy, qosOf, unreachable, type QoS } from './link.ts'
import { plain, plainJson } from './plain.ts'
import { readOptions } from './read-options.ts'
import { errorText } from '../texts/error-text.ts'
import { invalid, languageOf, textsIn, type Language } from './texts/texts.ts'

const options = {
  ...linkOptions,
  topic: { type: 'string', short: 't', multiple: true },
  qos: { type: 'string', short: 'q' },
  verbose: { type: 'boolean', short: 'v' },
  json: { type: 'boolean' },
  count: { type: 'string', short: 'C' },
  timeout: { type: 'string', short: 'W' }
} as const

/** What a terminal shows of one message. */
const mostShown = 64 * 1024
/** As mosquitto_sub ends when its time is over. */
const timedOut = 27

/** `platziverse-agent sub`. Ends with the exit code. @throws PlatziverseError TERMINAL_… */
export async function subscribe (args: string[]): Promise<number> {
  const values = readOptions(args, options)
  const language = languageOf(values.lang)
  const texts = textsIn(language)
  if (values.help === true) {
    process.stdout.write(`${texts.subHelp}\n${texts.linkHelp}\n`)
    return 0
  }
  const filters = values.topic ?? []
  if (filters.length === 0) throw invalid('--topic is missing.')
  const wrong = filters.find(filter => parseSubscription(filter) === undefined)
  if (wrong !== undefined) throw invalid(`--topic is no topic filter: ${JSON.stringify(wrong)}.`)
  const qos = qosOf(values.qos)
  const count = numberOf('count', values.count, { least: 1, most: 1e9 }) ?? Infinity
  const seconds = numberOf('timeout', values.timeout, { least: 1, most: 1e6 })
  const print = printer(values.json === true ? 'json' : process.stdout.isTTY ? 'terminal' : 'pipe', values.verbose === true)

  let lost: (reason: Error) => void = () => undefined
  const client = keepLinked(addressOf(values), {
    steppedOver: error => { process.stderr.write(`${plain(errorText(error, language), 2000)}\n`) },
    lost: reason => { lost(reason) }
  })
  paceBy(client, process.stdout)
  try {
    return await listen(client, filters, qos, language, { count, seconds, print, whenLost: then => { lost = then } })
  } finally {
    client.end(true)
  }
}

type Print = (topic: string, payload: Buffer, packet: IPublishPacket) => void

interface Ending { count: number, seconds: number | undefined, print: Print, whenLost (then: (reason: Error) => void): void }

function listen (client: MqttClient, filters: string[], qos: QoS, language: Language, { count, seconds, print, whenLost }: Ending): Promise<number> {
  const texts = textsIn(language)
  let timer: NodeJS.Timeout | undefined
  let isOver = false
  let stop: () => void = () => undefined
  const listening = new Promise<number>((resolve, reject) => {
    let left = count
    let wasLinked = false
    let isLost = false
    stop = () => { client.end(false, () => { resolve(0) }) }
    if (seconds !== undefined) timer = setTimeout(() => { resolve(timedOut) }, seconds * 1000)

    client.on('message', (topic, payload, packet) => {
      if (left <= 0) return
      print(topic, payload, packet)
      if (--left === 0) stop()
    })
    client.on('connect', () => {
      if (isLost) process.stderr.write(`${texts.back}\n`)
      isLost = false
      wasLinked = true
      client.subscribe(filters, { qos }, (error, _granted, packet) => {
        if (error !== null) refused(error, (packet?.granted ?? []) as number[])
      })
    })
    function refused (error: Error, codes: number[]): void {
      const named = filters.filter((_filter, i) => (codes[i] ?? 0) >= 128)
      const reason = new PlatziverseError('TERMINAL_SUBSCRIPTION_REFUSED', named.length === 0 ? `${error.message}.` : `The broker refused ${named.join(', ')}.`, { cause: error })
      // What the broker grants is worth printing.
      if (named.length > 0 && named.length < filters.length) process.stderr.write(`${plain(errorText(reason, language), 2000)}\n`)
      // A connection that ends is reported as such.
      else if (client.connected) reject(reason)
    }
    whenLost(reason => {
      if (isOver || left <= 0) return
      if (!wasLinked) return reject(unreachable(reason))
      if (!isLost) process.stderr.write(`${plain(texts.lost(errorText(reason, language)))}\n`)
      isLost = true
    })
  })
  const interrupted = (): void => {
    // What nobody reads would keep the process.
    if (process.stdout.writableNeedDrain) process.exit(0)
    isOver = true
    stop()
  }
  process.on('SIGINT', interrupted).on('SIGTERM', interrupted)
  return listening.finally(() => {
    isOver = true
    clearTimeout(timer)
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
  })
}

function printer (to: 'json' | 'terminal' | 'pipe', verbose: boolean): Print {
  const out = process.stdout
  switch (to) {
    case 'json': return (topic, payload, { qos, retain }) => { out.write(`${plainJson({ topic, ...isUtf8(payload) ? { payload: payload.toString() } : { base64: payload.toString('base64') }, qos, retain })}\n`) }
    case 'terminal': return (topic, payload) => { out.write(`${verbose ? `${plain(topic)} ` : ''}${plain(payload.toString(), mostShown)}\n`) }
    case 'pipe': return (topic, payload) => { out.write(Buffer.concat([Buffer.from(verbose ? `${topic} ` : ''), payload, Buffer.from('\n')])) }
  }
}

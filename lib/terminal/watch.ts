import type { MqttClient } from 'mqtt'
import { connectionFault } from '../connection-fault.ts'
import { parse, type Message } from '../messages/parse.ts'
import { topics } from '../messages/topics.ts'
import { Board } from './board.ts'
import { frame, type Place } from './frame.ts'
import { keepLinked, paceBy, type Address } from './link.ts'
import { plain, plainJson } from './plain.ts'
import { openScreen, type Key } from './screen.ts'
import { translated } from '../texts/error-text.ts'
import { textsIn, type Language } from './texts/texts.ts'

export interface WatchOptions {
  address: Address
  language: Language
  json: boolean
}

interface Listener {
  /** What agent-out retained of an agent, where it does. */
  remembered (uuid: string, isConnected: boolean): void
  /** It retains nothing of the agent any more. */
  forgotten (uuid: string): void
  said (message: Message): void
  linked (): void
  /** Not connected, or not allowed to listen, in words. */
  failed (what: string): void
}

/** `platziverse-agent --watch`: what agents report, on the whole terminal or line by line, until somebody ends it. */
export async function watch (options: WatchOptions): Promise<void> {
  const { stdout, stdin } = process
  const isScreen = stdout.isTTY && !options.json && process.env.TERM !== 'dumb'
  if (isScreen) await onScreen(options, stdout, stdin)
  else await lineByLine(options)
}

function onScreen ({ address, language }: WatchOptions, stdout: typeof process.stdout, stdin: typeof process.stdin): Promise<void> {
  const texts = textsIn(language)
  const board = new Board()
  const place: Place = { chosen: 0, top: 0, opened: undefined, line: 0 }
  let link = texts.connecting
  let isLinked = false
  const rate = rateOf(() => board.messages)

  const client = listen(address, language, {
    said ({ kind, payload }) {
      if (kind === 'connected') board.connected(payload, Date.now())
      else if (kind === 'disconnected') board.disconnected(payload, Date.now())
      else board.message(payload, Date.now())
    },
    remembered (uuid, isConnected) { board.remembered(uuid, isConnected, Date.now()) },
    forgotten (uuid) { board.forget(uuid) },
    linked () {
      [link, isLinked] = [texts.connected, true]
      board.linked(Date.now())
    },
    failed (what) { [link, isLinked] = [what, false] }
  })

  return new Promise(resolve => {
    const end = (): void => {
      screen.close()
      process.off('SIGINT', end).off('SIGTERM', end).off('SIGHUP', end)
      rate.stop()
      client.end(true, () => { resolve() })
    }
    let height = 0
    const screen = openScreen(stdout, stdin, size => {
      height = size.rows
      if (isLinked) board.tidy(Date.now())
      return frame(board, place, size, { address: address.url, link, isLinked, rate: rate.now, now: Date.now(), texts, language, colours: !process.env.NO_COLOR })
    }, key => {
      if (key === 'quit') end()
      else move(place, key, board, height)
    })
    process.on('SIGINT', end).on('SIGTERM', end).on('SIGHUP', end)
  })
}

/** What a key does; `frame` keeps it within what there is. */
function move (place: Place, key: Key, board: Board, height: number): void {
  const page = Math.max(1, Math.floor((height - 4) / 4))
  const steps: Partial<Record<Key, number>> = { up: -1, down: 1, pageUp: -page, pageDown: page, first: -Infinity, last: Infinity }
  const step = steps[key]
  if (key === 'open' && place.opened === undefined) [place.opened, place.line] = [board.agents[place.chosen], 0]
  else if (key === 'back') place.opened = undefined
  else if (step !== undefined && place.opened === undefined) place.chosen = within(place.chosen + step, board.agents.length - 1)
  else if (step !== undefined && place.opened !== undefined) place.line = within(place.line + step, place.opened.size)
}

function within (number: number, most: number): number {
  return Math.max(0, Math.min(number, most))
}

function lineByLine ({ address, language, json }: WatchOptions): Promise<void> {
  let failed = ''
  const client = listen(address, language, {
    said (message) { process.stdout.write(`${json ? plainJson({ topic: message.topic, payload: message.payload }) : lineOf(message)}\n`) },
    remembered () { /* A line is for what is said now. */ },
    forgotten () { /* Nor has it to be taken back. */ },
    linked () { failed = '' },
    failed (what) {
      // Each further attempt fails in the same way.
      if (what !== failed) process.stderr.write(`${plain(what)}\n`)
      failed = what
    }
  })
  paceBy(client, process.stdout)
  return new Promise(resolve => {
    const end = (): void => {
      // What nobody reads would keep the process.
      if (process.stdout.writableNeedDrain) process.exit(0)
      process.off('SIGINT', end).off('SIGTERM', end)
      // Its end is not worth a line.
      client.removeAllListeners('close').end(true, () => { resolve() })
    }
    process.on('SIGINT', end).on('SIGTERM', end)
  })
}

function lineOf ({ kind, payload }: Message): string {
  const { agent } = payload
  // Of who disconnects, only the uuid is checked.
  const name = kind !== 'disconnected' && 'name' in agent && agent.name !== undefined ? plain(agent.name) : ''
  const who = name === '' ? plain(agent.uuid) : `${name} (${plain(agent.uuid)})`
  if (kind !== 'message') return `${new Date().toISOString()} ${who} ${kind}`
  const metrics = payload.metrics.map(({ type, value }) => `${plain(type)} ${typeof value === 'string' ? plain(JSON.stringify(value)) : value}`)
  return `${new Date(payload.timestamp).toISOString()} ${who} ${metrics.join(' · ')}`
}

/** Hears the agents at QoS 0: a broker drops for those that are slow, and nothing waits for somebody who only looks. */
function listen (address: Address, language: Language, { said, remembered, forgotten, linked, failed }: Listener): MqttClient {
  const texts = textsIn(language)
  const client = keepLinked(address, {
    steppedOver: () => undefined,
    lost: reason => { failed(texts.notConnected(translated(connectionFault(reason).text, language))) }
  })
  client.on('connect', () => {
    linked()
    client.subscribe(Object.values(topics), { qos: 0 }, error => { if (error !== null && client.connected) failed(texts.notAllowed) })
    // By a packet of its own: what it tells is welcome, and not needed.
    client.subscribe('agent/+/status', { qos: 0 }, () => undefined)
  })
  client.on('message', (topic, payload, { retain }) => {
    const [, uuid] = /^agent\/([^/]{1,128})\/status$/u.exec(topic) ?? []
    if (uuid !== undefined) {
      const state = payload.toString()
      // Another program may use such a topic for something else.
      if (state === '') forgotten(uuid)
      else if (state === 'connected' || state === 'disconnected') remembered(uuid, state === 'connected')
      return
    }
    // What the broker had before: the agent may be gone, and nobody knows since when.
    if (retain) return
    const parsed = parse(topic, payload, Date.now())
    if (parsed.ok) said(parsed.message)
  })
  return client
}

/** How much a number grows a second, over the last seconds. */
function rateOf (count: () => number): { readonly now: number, stop (): void } {
  const counts = [count()]
  const timer = setInterval(() => {
    counts.push(count())
    if (counts.length > 6) counts.shift()
  }, 1000)
  return {
    get now () { return counts.length < 2 ? 0 : Math.round((counts.at(-1)! - counts[0]!) / (counts.length - 1)) },
    stop () { clearInterval(timer) }
  }
}

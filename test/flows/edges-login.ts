import type { Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { generate, type Packet } from 'mqtt-packet'
import { names, type Hostile } from '../helpers/hostile.ts'
import { rawSocket } from '../helpers/raw-client.ts'

/** How a flow answers, by who asks; whoever has another name is let in. */
export const answering = `
  if (msg.topic !== 'client/login') return null
  const { id, username } = msg.payload
  const say = payload => node.send({ topic: 'login', payload })
  switch (username) {
    case 'late': return void setTimeout(() => say({ id, allow: true }), 5500)
    case 'soon': return void setTimeout(() => say({ id, allow: true }), 50)
    case 'never': return null
    case 'no': return { topic: 'login', payload: { id, allow: false } }
    case 'twice': say({ id, allow: true }); say({ id, allow: true }); return null
    case 'both': say({ id, allow: true }); say({ id, allow: false }); return null
    case 'throws': throw new Error('a fault of the flow')
    case 'rejects': return Promise.reject(new Error('a fault of the flow'))
    case 'malformed':
      for (const payload of [undefined, null, 0, '', 'x', [], {}, { id: {} }, { id }, { id, allow: 'true' }, { id, allow: 1 }, { id: [id], allow: true }, { id: '__proto__', allow: true }, { id: 'constructor', allow: true }]) say(payload)
      return null
    default: return { topic: 'login', payload: { id, allow: true } }
  }`

type Credentials = { username?: string, password?: string | Buffer }

async function knock (t: TestContext, port: number, clientId: string, { username, password = 'x' }: Credentials): Promise<Socket> {
  const socket = await rawSocket(t, port)
  socket.resume().write(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, keepalive: 0, clean: true, ...username === undefined ? {} : { username, password } } as Packet))
  return socket
}

/** CONNACK's return code; undefined: none came. */
async function answerTo (t: TestContext, port: number, clientId: string, credentials: Credentials): Promise<number | undefined> {
  const socket = await knock(t, port, clientId, credentials)
  return await new Promise(resolve => {
    socket.on('data', bytes => { resolve(bytes[3]) })
    socket.on('close', () => { resolve(undefined) })
  })
}

export interface LoginHostile extends Hostile {
  /** Fails unless who asks so gets one of these return codes. */
  assertCode (username: string, code: number | undefined, wanted: number[]): void
}

/** The edges of a broker whose logins the flow decides. The wrong ones slow their network, so those that are to be let in come first. */
export const loginEdges: Record<string, (t: TestContext, hostile: LoginHostile) => Promise<unknown>> = {
  'logins of odd names': async (t, { ports, assertCode }) => {
    const odd = [...names.filter(name => name.length < 1000), '', 'a\nb', ' ', '%u', 'no such']
    for (const [i, username] of odd.entries()) assertCode(username, await answerTo(t, ports.asked, `odd-${i}`, { username, password: names[4] ?? '' }), [0])
  },
  'answers that come twice, and both ways': async (t, { ports, assertCode }) => {
    for (const username of ['twice', 'both']) assertCode(username, await answerTo(t, ports.asked, `double-${username}`, { username }), [0])
  },
  'clients that leave while the flow is asked': async (t, { ports }) => {
    for (let i = 0; i < 60; i++) {
      const socket = await knock(t, ports.asked, i % 2 === 0 ? 'leaves' : `leaves-${i}`, { username: 'soon' })
      await pause(i % 3)
      if (i % 2 === 0) socket.resetAndDestroy()
      else socket.end()
    }
    await pause(100)
  },
  'clients that send on while the flow is asked': async (t, { ports }) => {
    const socket = await knock(t, ports.asked, 'impatient', { username: 'soon' })
    for (let i = 0; i < 200; i++) socket.write(generate({ cmd: 'publish', topic: 'a', payload: 'x', qos: 1, messageId: i + 1, dup: false, retain: false } as Packet))
    socket.write(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'impatient', keepalive: 0, clean: true, username: 'soon', password: Buffer.from('x') } as Packet))
    await new Promise(resolve => socket.once('close', resolve))
  },
  'answers that are late, malformed, or thrown': async (t, { ports, assertCode }) => {
    const codes = await Promise.all(['late', 'malformed', 'throws', 'rejects', 'never'].map(async username => [username, await answerTo(t, ports.asked, `wrong-${username}`, { username })] as const))
    for (const [username, code] of codes) assertCode(username, code, [3])
    // The answer to the late one.
    await pause(1_000)
  },
  'more questions than may be open': async (t, { ports }) => {
    const sockets = await Promise.all(Array.from({ length: 300 }, (_, i) => knock(t, ports.asked, `crowd-${i}`, { username: 'never' })))
    await pause(200)
    for (const socket of sockets) socket.resetAndDestroy()
  },
  'logins that are refused, over and over': async (t, { ports, assertCode }) => {
    for (let i = 0; i < 20; i++) assertCode('no', await answerTo(t, ports.asked, `no-${i}`, { username: 'no', password: Buffer.from([0xff, i]) }), [3, 5])
    for (let i = 0; i < 20; i++) assertCode('no', await answerTo(t, ports.asked, `no-${i}`, { username: 'no', password: String(i) }), [3, 5])
  }
}

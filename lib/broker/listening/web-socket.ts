import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, WebSocketServer, type ServerOptions, type WebSocket } from 'ws'
import type { WebSocketMessages } from '../arrival.ts'
import { isDirect, originProblem } from './web-origin.ts'

/** [MQTT-6.0.0-3], and the name that clients of MQTT 3.1 give. */
const protocols = ['mqtt', 'mqttv3.1']

/** Bytes of a message of a client that is not let in yet, or more where CONNECT may be larger: one message may carry several packets. */
const firstMessage = 65_536
/** Bytes that a message may have beyond the largest packet. */
const besidePacket = 1024 * 1024
/** Pieces of one message, as frames and as chunks of the socket: each takes memory, however short. */
const mostFragments = 4_096
const mostChunks = 16_384
/** Frames a second without MQTT in them; a client has no reason for more than a few a minute. */
const mostIdleFrames = 100
/** Bytes before the content of such a frame. */
const controlHead = 6
/** Bytes that a client may leave unread before its pings are no longer answered. */
const unreadBeforeSilence = 65_536
/** ms that a client has to close its end. */
const closeTimeout = 2_000

/** A WebSocket with its receiver, which is not in the types: it keeps a whole message in memory before it passes it on. */
type Receiving = WebSocket & { _receiver: { _maxPayload: number } }

/** Gets the MQTT stream, the socket below it, the messages that carry it, and whether there seems to be no proxy in between. */
export type AcceptWebSocket = (stream: Duplex, socket: Socket, messages: WebSocketMessages, direct: boolean) => void

export interface WebSocketOptions {
  /** Web origins whose pages may connect now, besides those of the same host. */
  origins: () => readonly string[]
  accept: AcceptWebSocket
  /** A page may not connect. */
  refused (socket: Socket, reason: string): void
}

/**
 * Turn upgrade requests into MQTT streams. Whatever is refused is closed within seconds, and nothing in a request or a frame throws.
 */
export function acceptWebSockets ({ origins, accept, refused }: WebSocketOptions): (request: IncomingMessage, socket: Socket, head: Buffer) => void {
  // The types lack `closeTimeout`.
  const options: ServerOptions & { closeTimeout: number } = {
    noServer: true,
    perMessageDeflate: false,
    autoPong: false,
    maxPayload: firstMessage,
    maxFragments: mostFragments,
    maxBufferedChunks: mostChunks,
    handleProtocols: offered => protocols.find(protocol => offered.has(protocol)) ?? false,
    closeTimeout
  }
  const server = new WebSocketServer(options)
  const upgrade = (request: IncomingMessage, socket: Socket, head: Buffer): void => {
    const offered = String(request.headers['sec-websocket-protocol'] ?? '').split(',').map(name => name.trim())
    if (!offered.some(name => protocols.includes(name))) return refuse(socket, '400 Bad Request', 'The subprotocol is mqtt.')
    const problem = originProblem(request, origins())
    if (problem !== undefined) {
      refused(socket, problem)
      return refuse(socket, '403 Forbidden', 'The origin is not allowed.')
    }
    const direct = isDirect(request)
    server.handleUpgrade(request, socket, head, webSocket => {
      const messages: WebSocketMessages = {
        count: 0,
        unread: 0,
        counted: 0,
        changed: undefined,
        limitPackets (bytes, isKnown) {
          const { _receiver: receiver } = webSocket as Receiving
          if (isKnown) receiver._maxPayload = bytes === 0 ? 0 : bytes + besidePacket
          else receiver._maxPayload = Math.max(bytes, firstMessage)
        }
      }
      accept(streamOf(webSocket, socket, messages), socket, messages, direct)
    })
  }
  return (request, socket, head) => {
    // The HTTP server has released the socket, and nothing else handles its errors.
    socket.on('error', ignore)
    try {
      upgrade(request, socket, head)
    } catch {
      // Other connections of this server must not be affected.
      socket.destroy()
    }
  }
}

/** Answer an upgrade request with an error, and close the socket: nothing reads it any more, so it would never see its end. */
export function refuse (socket: Socket, status: string, text: string): void {
  socket.on('error', ignore)
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n${text}\r\n`)
  socket.destroySoon()
}

/** The path of a request, not decoded; undefined: it has none. */
export function pathOf (request: IncomingMessage): string | undefined {
  const [target = ''] = (request.url ?? '').split(/[?#]/, 1)
  if (target.startsWith('/')) return target
  // RFC 9112, 3.2.2: a server accepts a whole URL as well.
  return URL.canParse(target) ? new URL(target).pathname : undefined
}

function streamOf (webSocket: WebSocket, socket: Socket, messages: WebSocketMessages): Duplex {
  const stream = createWebSocketStream(webSocket)
  // MQTT packets are written in pieces; without this each piece would be a message.
  stream._writev = (pieces, done) => { send(webSocket, Buffer.concat(pieces.map(({ chunk }) => chunk as Buffer)), done) }
  stream._write = (chunk: Buffer, _encoding, done) => { send(webSocket, chunk, done) }
  // An error without any handler would end the process, and there may be no other one yet.
  stream.on('error', ignore)

  let idle = 0
  let since = 0
  const countIdle = (): void => {
    const now = performance.now()
    if (now - since >= 1000) {
      since = now
      idle = 0
    }
    if (++idle > mostIdleFrames) stream.destroy(new Error(`more than ${mostIdleFrames} WebSocket frames a second without MQTT in them`))
  }
  const count = (unread: number): void => {
    messages.unread = unread
    messages.changed?.()
  }
  const countControl = ({ length }: Buffer): void => {
    countIdle()
    // It is not part of the message in whose middle it may come.
    count(Math.max(0, messages.unread - length - controlHead))
  }
  // Runs before the WebSocket reads it.
  socket.prependListener('data', ({ length }: Buffer) => { count(messages.unread + length) })
  // Runs before the stream reads it.
  webSocket.prependListener('message', (data: Buffer, isBinary: boolean) => {
    messages.count++
    count(0)
    // [MQTT-6.0.0-1]
    if (!isBinary) stream.destroy(new Error('MQTT in a WebSocket text frame'))
    else if (data.length === 0) countIdle()
  })
  webSocket.on('ping', data => {
    countControl(data)
    if (socket.writableLength < unreadBeforeSilence) webSocket.pong(data, false, ignore)
  })
  webSocket.on('pong', countControl)
  return stream
}

function ignore (): void {}

/** A client that closed its end takes no more. What it sent before is still to be read, and an error would discard that. */
function send (webSocket: WebSocket, bytes: Buffer, done: (error?: Error) => void): void {
  if (webSocket.readyState === webSocket.OPEN) webSocket.send(bytes, done)
  else setImmediate(done)
}

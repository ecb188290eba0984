import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, WebSocketServer, type ServerOptions, type WebSocket } from 'ws'
import type { WebSocketMessages } from '../broker.ts'
import { largestConnect } from '../stream/packet-guard.ts'
import { isDirect, originProblem } from './web-origin.ts'

/** [MQTT-6.0.0-3], and the name that clients of MQTT 3.1 give. */
const protocols = ['mqtt', 'mqttv3.1']

/** Bytes of a message of a client that is not let in yet, or more where CONNECT may have more: packets may come together. */
const firstMessage = 65_536
/** Bytes of a message beside the largest packet in it. */
const besidePacket = 1024 * 1024
/** Pieces of one message, as frames and as chunks of the socket: each takes memory, however short it is. */
const mostFragments = 4_096
const mostChunks = 16_384
/** Frames a second that carry nothing of MQTT; a client has no reason for more than a few a minute. */
const mostIdleFrames = 100
/** Bytes before the content of such a frame. */
const controlHead = 6
/** Bytes that a client may leave unread before its pings are no longer answered. */
const unreadBeforeSilence = 65_536
/** ms that a client has to close its end. */
const closeTimeout = 2_000

/** What is used of a WebSocket beyond its types: its receiver keeps a whole message in memory before it hands it on. */
type Receiving = WebSocket & { _receiver: { _maxPayload: number } }

/** Gets the stream of MQTT, the socket below it, the messages that carry it, and whether no proxy seems to be between. */
export type AcceptWebSocket = (stream: Duplex, socket: Socket, messages: WebSocketMessages, direct: boolean) => void

export interface WebSocketOptions {
  /** Web origins whose pages may connect, beside those of the same host. */
  origins: readonly string[]
  accept: AcceptWebSocket
  /** Told of a page that may not connect. */
  refused (socket: Socket, reason: string): void
}

/**
 * Make MQTT streams of upgrade requests. Whatever is refused is closed within seconds, and nothing in a request or in a frame throws.
 */
export function acceptWebSockets ({ origins, accept, refused }: WebSocketOptions): (request: IncomingMessage, socket: Socket, head: Buffer) => void {
  // Its types lack the last of these.
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
    const problem = originProblem(request, origins)
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
          else receiver._maxPayload = Math.max(bytes === 0 ? largestConnect : bytes, firstMessage)
        }
      }
      accept(streamOf(webSocket, socket, messages), socket, messages, direct)
    })
  }
  return (request, socket, head) => {
    // Nobody else listens any more: the HTTP server let go of the socket.
    socket.on('error', ignore)
    try {
      upgrade(request, socket, head)
    } catch {
      // The others on this server are not to pay for it.
      socket.destroy()
    }
  }
}

/** Answer an upgrade request with an error. The socket has no reader any more, so it would never see its end. */
export function refuse (socket: Socket, status: string, text: string): void {
  socket.on('error', ignore)
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n${text}\r\n`)
  socket.destroySoon()
}

/** The path that a request asks for, as it stands there; undefined: none. */
export function pathOf (request: IncomingMessage): string | undefined {
  const [target = ''] = (request.url ?? '').split(/[?#]/, 1)
  if (target.startsWith('/')) return target
  // RFC 9112, 3.2.2: a server takes a whole URL as well.
  return URL.canParse(target) ? new URL(target).pathname : undefined
}

function streamOf (webSocket: WebSocket, socket: Socket, messages: WebSocketMessages): Duplex {
  const stream = createWebSocketStream(webSocket)
  // MQTT writes a packet in pieces; without this each of them were a message.
  stream._writev = (pieces, done) => { send(webSocket, Buffer.concat(pieces.map(({ chunk }) => chunk as Buffer)), done) }
  stream._write = (chunk: Buffer, _encoding, done) => { send(webSocket, chunk, done) }
  // The stream reports what goes wrong, when it has no other listener yet too.
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
    // No part of a message, in the middle of which it may come.
    count(Math.max(0, messages.unread - length - controlHead))
  }
  // Before the WebSocket takes it.
  socket.prependListener('data', ({ length }: Buffer) => { count(messages.unread + length) })
  // Before the stream takes it.
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

/** A client that closed its end takes no more; what it sent before is to be read, and an error would discard it. */
function send (webSocket: WebSocket, bytes: Buffer, done: (error?: Error) => void): void {
  if (webSocket.readyState === webSocket.OPEN) webSocket.send(bytes, done)
  else setImmediate(done)
}

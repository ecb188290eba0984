import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createWebSocketStream, WebSocketServer } from 'ws'

/** [MQTT-6.0.0-3], and the name that clients of MQTT 3.1 give. */
const protocols = ['mqtt', 'mqttv3.1']

/** Node keeps as much of a WebSocket message in memory before it hands it on; MQTT packets may be split over messages. */
const longestMessage = 1024 * 1024

/**
 * Make MQTT streams of upgrade requests.
 * @param accept gets the stream and the socket below it
 */
export function acceptWebSockets (accept: (stream: Duplex, socket: Socket) => void): (request: IncomingMessage, socket: Socket, head: Buffer) => void {
  const server = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: longestMessage,
    handleProtocols: offered => protocols.find(protocol => offered.has(protocol)) ?? false
  })
  return (request, socket, head) => {
    const offered = String(request.headers['sec-websocket-protocol'] ?? '').split(',').map(name => name.trim())
    if (!offered.some(name => protocols.includes(name))) {
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\nThe subprotocol is mqtt.\r\n')
      return
    }
    server.handleUpgrade(request, socket, head, webSocket => {
      const stream = createWebSocketStream(webSocket)
      // MQTT writes a packet in pieces; without this each of them were a message.
      stream._writev = (pieces, done) => { webSocket.send(Buffer.concat(pieces.map(({ chunk }) => chunk as Buffer)), done) }
      // The stream reports what goes wrong, when it has no other listener yet too.
      stream.on('error', () => undefined)
      accept(stream, socket)
    })
  }
}

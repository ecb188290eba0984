import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'

/** The status that answers a WebSocket's request for MQTT: 101 is yes. */
export async function upgradeStatus (url: string, headers: Record<string, string>): Promise<number> {
  const socket = new WebSocket(url, ['mqtt'], { headers })
  return await new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.on('open', () => {
      socket.terminate()
      resolve(101)
    })
    socket.on('unexpected-response', (_request: unknown, response: IncomingMessage) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
  })
}

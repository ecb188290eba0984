import { WebSocket } from 'ws'
import { once } from './events.ts'
import type { NodeRed } from './node-red.ts'

export interface RawViewer {
  /** Events that came, by name. */
  readonly events: Array<{ name: string, args: unknown[] }>
  /** Sends an event of FlowFuse Dashboard, such as `widget-send`, with a widget's id and whatever it carries. */
  emit (name: string, ...args: unknown[]): void
  close (): void
}

/** A viewer of the dashboard without a page: speaks Socket.IO as a browser does, and sends what no page would. */
export async function openRawViewer ({ url }: Pick<NodeRed, 'url'>): Promise<RawViewer> {
  const address = new URL('dashboard/socket.io/?EIO=4&transport=', url).href
  const polling = async (path: string, body?: string): Promise<string> => await (await fetch(`${address}polling${path}`, body === undefined ? {} : { method: 'POST', body })).text()
  const { sid } = JSON.parse((await polling('')).slice(1)) as { sid: string }
  // The dashboard takes nobody who begins with a WebSocket.
  await polling(`&sid=${sid}`, '40')
  await polling(`&sid=${sid}`)
  const socket = new WebSocket(`${address.replace('http', 'ws')}websocket&sid=${sid}`)
  const events: RawViewer['events'] = []
  socket.on('message', (data: Buffer) => {
    const text = data.toString()
    if (text === '2') socket.send('3')
    if (!text.startsWith('42')) return
    const [name, ...args] = JSON.parse(text.slice(2)) as [string, ...unknown[]]
    events.push({ name, args })
  })
  await once(socket, 'open')
  const probed = once(socket, 'message')
  socket.send('2probe')
  await probed
  socket.send('5')
  return {
    events,
    emit (...event) { socket.send(`42${JSON.stringify(event)}`) },
    close () { socket.terminate() }
  }
}

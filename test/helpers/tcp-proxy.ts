import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

export interface TcpProxy {
  port: number
  /** What becomes of what a client sends; absent: it is passed on. */
  request: ((bytes: Buffer, server: Socket, client: Socket) => void) | undefined
  /** What becomes of an answer of the server, until it is changed again; absent: it is passed on. */
  answer: ((bytes: Buffer, client: Socket) => void) | undefined
  /** The sockets of the clients that are connected. */
  clients: Set<Socket>
}

/** Stands between a client and a server, to be as bad as a network and a middlebox can be. */
export async function tcpProxy (t: Pick<TestContext, 'after'>, to: number): Promise<TcpProxy> {
  const clients = new Set<Socket>()
  const proxy: TcpProxy = { port: 0, request: undefined, answer: undefined, clients }
  const server = createServer(client => {
    const upstream = connect({ port: to, host: '127.0.0.1' })
    clients.add(client)
    client.on('error', () => undefined).on('close', () => { clients.delete(client); upstream.destroy() }).on('data', bytes => {
      if (proxy.request === undefined) upstream.write(bytes)
      else proxy.request(bytes, upstream, client)
    })
    upstream.on('error', () => undefined).on('close', () => { client.destroy() }).on('data', bytes => {
      if (proxy.answer === undefined) client.write(bytes)
      else proxy.answer(bytes, client)
    })
  }).listen(0, '127.0.0.1')
  t.after(() => {
    server.close()
    for (const client of clients) client.destroy()
  })
  await once(server, 'listening')
  proxy.port = (server.address() as AddressInfo).port
  return proxy
}

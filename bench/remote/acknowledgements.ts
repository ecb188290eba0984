import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { once } from 'node:events'
import { parser, type Packet } from 'mqtt-packet'

export interface Acknowledgements {
  port: number
  /** ms from each PUBLISH of QoS 1 that the broker gave to its PUBACK, since the last call. */
  take (): number[]
  close (): void
}

/** Stands between a worker and its broker, and sees how long the worker keeps each message. */
export async function watchAcknowledgements (brokerPort: number): Promise<Acknowledgements> {
  const times: number[] = []
  const sockets = new Set<Socket>()
  const server = createServer(worker => {
    const broker = connect({ port: brokerPort, host: '127.0.0.1', noDelay: true })
    worker.setNoDelay(true)
    const open = new Map<number, number>()
    const fromBroker = parser({ protocolVersion: 5 })
    fromBroker.on('packet', (packet: Packet) => {
      if (packet.cmd === 'publish' && packet.qos === 1) open.set(packet.messageId ?? 0, performance.now())
    })
    const fromWorker = parser({ protocolVersion: 5 })
    fromWorker.on('packet', (packet: Packet) => {
      if (packet.cmd !== 'puback') return
      const since = open.get(packet.messageId ?? 0)
      if (since !== undefined) times.push(performance.now() - since)
      open.delete(packet.messageId ?? 0)
    })
    for (const [from, to, packets] of [[worker, broker, fromWorker], [broker, worker, fromBroker]] as const) {
      sockets.add(from)
      from.on('error', () => undefined).on('close', () => {
        sockets.delete(from)
        to.destroy()
      }).on('data', bytes => {
        to.write(bytes)
        packets.parse(bytes)
      })
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    take: () => times.splice(0),
    close () {
      server.close()
      for (const socket of sockets) socket.destroy()
    }
  }
}

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { MqttClient } from 'mqtt'
import mqttPacket from 'mqtt-packet'
import { Bridge, type LocalBroker } from '../../../lib/bridge/bridge.ts'
import type { Subscriber } from '../../../lib/broker/publication.ts'
import { until, waitFor } from '../../helpers/events.ts'

test('an acknowledgement that comes in while a bridge ends does not make it send for ever', async t => {
  const sent: number[] = []
  // Of the other broker: what it sends in one go is a message, and behind it the acknowledgement of the first one.
  const server = createServer(socket => {
    t.after(() => { socket.destroy() })
    const parser = mqttPacket.parser({ protocolVersion: 4 })
    parser.on('packet', packet => {
      if (packet.cmd === 'connect') socket.write(mqttPacket.generate({ cmd: 'connack', returnCode: 0, sessionPresent: false }))
      else if (packet.cmd === 'subscribe') socket.write(mqttPacket.generate({ cmd: 'suback', messageId: packet.messageId ?? 0, granted: [1] }))
      else if (packet.cmd === 'publish') {
        sent.push(packet.messageId ?? 0)
        if (sent.length === 20) socket.write(Buffer.concat([mqttPacket.generate({ cmd: 'publish', topic: 'y/1', payload: '1', qos: 0, dup: false, retain: false }), mqttPacket.generate({ cmd: 'puback', messageId: sent[0] as number })]))
      }
    })
    socket.on('data', data => { parser.parse(data) }).on('error', () => undefined)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => { server.close() })

  let hear: Subscriber | undefined
  let take: (() => void) | undefined
  const local: LocalBroker = {
    publish: () => new Promise(resolve => { take = resolve }),
    subscribe: (_filter, subscriber) => {
      hear = subscriber
      return () => undefined
    },
    async * retained () { /* nothing */ }
  }
  const topic = (direction: 'in' | 'out', filter: string) => ({ direction, filter, qos: 1 as const, localPrefix: '', remotePrefix: '' })
  const bridge = new Bridge(local, { id: 'b', version: '3.1.1', url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`, topics: [topic('out', 'x/#'), topic('in', 'y/#')] })
  const connected = waitFor(bridge, 'state', ({ state }: { state: string }) => state === 'connected')
  bridge.open()
  await connected
  for (let i = 0; i < 30; i++) void hear?.({ topic: `x/${i}`, payload: Buffer.from('1'), qos: 1, retain: false, clientId: undefined, origin: undefined })
  await until(() => take, taking => taking !== undefined)

  let attempts = 0
  const original = MqttClient.prototype.publish as (...args: unknown[]) => MqttClient
  t.mock.method(MqttClient.prototype, 'publish', function (this: MqttClient, ...args: unknown[]) {
    if (++attempts > 100) throw new Error('it sends for ever')
    return original.apply(this, args)
  })
  // The bridge's patience is over: the socket is destroyed, and not closed yet.
  const end = MqttClient.prototype.end as (...args: unknown[]) => MqttClient
  t.mock.method(MqttClient.prototype, 'end', function (this: MqttClient, ...args: unknown[]) {
    const ended = end.apply(this, args)
    take?.()
    return ended
  })
  await bridge.close(50)
  await until(() => bridge.statistics().sent, n => n === 1)
  assert.equal(attempts, 0)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc, { type Arbitrary } from 'fast-check'
import type { RemoteBrokerOptions } from '../../lib/broker/broker-options.ts'
import type { Subscriber } from '../../lib/broker/publication.ts'
import { clientEventSources, watchClients } from '../../lib/broker/remote/client-events.ts'
import { isSameBroker, resolveRemoteOptions } from '../../lib/broker/remote/settings.ts'
import { PlatziverseError } from '../../lib/errors.ts'
import { matches, parseSubscription } from '../../lib/mqtt/topic-filters.ts'
import { remoteOptions } from '../helpers/remote-broker.ts'
import { holds } from './fuzz.ts'
import { anything, texts } from './json.ts'

// What a broker elsewhere says of its clients, and what people write into the form of one.

const pieces = fc.constantFrom('platziverse-a', 'b', ' disconnected.', ' closed its connection.', ' (p2, c0, k60)', ", u'x'", ' as ', ':', ' ', 'é', '😀', 'Client ', '[', ']', '\\', '$&')
/** As Mosquitto lets them in, and short enough for its log. */
const clientIds = fc.oneof({ weight: 3, arbitrary: fc.array(pieces, { minLength: 1, maxLength: 5 }).map(all => all.join('')) }, texts)
  .filter(id => /^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(id) && id.length < 300 && !/\S*:\d+\] disconnected/.test(id))
const came = (id: string, username: string | undefined): string => `1795962085: New client connected from 127.0.0.1:44396 as ${id} (p2, c0, k60${username === undefined ? '' : `, u'${username}'`}).`
const leaving = fc.constantFrom('disconnected.', 'closed its connection.', 'disconnected due to protocol error.', 'has exceeded timeout, disconnecting.')

test('of a line of Mosquitto the whole client id is read, whatever it says', async t => {
  const { read } = clientEventSources.mosquitto
  await holds(t, fc.property(clientIds, fc.option(clientIds, { nil: undefined }), leaving, texts, (clientId, username, left, text) => {
    assert.deepEqual(read('', `1795962085: Client ${clientId} ${left}`), { event: 'disconnected', clientId })
    const found = read('', came(clientId, username))
    assert.equal(found?.event, 'connected')
    // Nobody can pass for another one by a username.
    if (username === undefined) assert.equal(found.clientId, clientId)
    else assert.ok(found.clientId.startsWith(clientId))
    const other = read('', text)
    assert.ok(other === undefined || text.includes(other.clientId))
  }), 3_000)
})

test('what EMQX says is read if it is JSON about a client, and nothing else is', async t => {
  const { read } = clientEventSources.emqx
  const events = fc.constantFrom('connected', 'disconnected', 'subscribed', '', 'x/connected')
  const said = fc.oneof(
    fc.dictionary(fc.constantFrom('clientid', 'reason', 'username', '__proto__'), fc.oneof(texts, fc.constantFrom<unknown>('takenover', 'discarded', 'tcp_closed', 5, null, [], {}))).map(value => JSON.stringify(value)),
    anything.map(({ text }) => text), texts
  )
  await holds(t, fc.property(events, said, (event, payload) => {
    const found = read(`$SYS/brokers/emqx@127.0.0.1/clients/a/${event}`, payload)
    if (found === undefined) return
    const { clientid, reason } = JSON.parse(payload) as { clientid: unknown, reason: unknown }
    assert.equal(found.clientId, clientid)
    assert.ok(event.endsWith(found.event) && reason !== 'takenover' && reason !== 'discarded')
  }), 3_000)
})

test('each agent whose client went and did not come back is said to be gone, once', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const agents = fc.constantFrom('platziverse-a', 'a', 'b', 'platziverse-c d', 'platziverse-', 'x'.repeat(200))
  const steps = fc.oneof(fc.record({ clientId: agents, comes: fc.boolean() }), fc.constantFrom(1_000, 6_000, 20_000))
  await holds(t, fc.property(fc.array(steps, { maxLength: 20 }), all => {
    const gone: string[] = []
    let heard: Subscriber = () => undefined
    const subscribe = (_filter: string, subscriber: Subscriber): (() => void) => {
      heard = subscriber
      return () => undefined
    }
    const end = watchClients('mosquitto', { subscribe }, ({ payload }) => { gone.push((JSON.parse(payload.toString()) as { agent: { uuid: string } }).agent.uuid) }, 5_000)
    const expected: string[] = []
    const waiting = new Map<string, number>()
    let now = 0
    for (const step of [...all, 20_000]) {
      if (typeof step === 'number') {
        now += step
        t.mock.timers.tick(step)
        for (const [clientId, due] of waiting) {
          if (due > now) continue
          waiting.delete(clientId)
          expected.push(clientId.replace(/^platziverse-/, ''))
        }
        continue
      }
      const { clientId, comes } = step
      waiting.delete(clientId)
      if (!comes && clientId.length <= 140) waiting.set(clientId, now + 5_000)
      void heard({ topic: '$SYS/broker/log/N', payload: Buffer.from(comes ? came(clientId, 'u') : `1: Client ${clientId} disconnected.`), qos: 0, retain: false, clientId: undefined, origin: undefined })
    }
    end()
    assert.deepEqual(gone.toSorted(), expected.toSorted())
  }), 500)
})

test('the settings of a broker elsewhere are taken or refused with a code, and its topics are those of agents', async t => {
  const addresses = fc.array(fc.oneof(
    fc.constantFrom('mqtt://a', 'mqtts://a:1', 'ws://u:p@[::1]:1/x?y', 'wss://a/#x', 'http://a', 'mqtt://u:p%zz@a', 'mqtt://:@', 'mqtt://a:99999', ' ', ',', 'mqtt:/a', 'MQTT://É.example', 'mqtt://a%00b'), texts
  ), { maxLength: 3 }).map(all => all.join(' '))
  const words = fc.oneof(fc.constantFrom('', 'a', '+', '#', 'a/b', '$share', '\0', 'x'.repeat(65_536)), texts)
  const settings: Arbitrary<Partial<RemoteBrokerOptions>> = fc.record({ clientId: fc.oneof(fc.constant('a'), words), group: words, shards: fc.array(words, { maxLength: 3 }), tls: fc.constantFrom({}, { ca: 'x' }, { cert: '', key: '' }) })
  await holds(t, fc.property(addresses, settings, texts, (url, some, level) => {
    const options = remoteOptions(url, some)
    isSameBroker(options, remoteOptions('mqtt://a'))
    let resolved
    try {
      resolved = resolveRemoteOptions(options)
    } catch (error) {
      assert.ok(error instanceof PlatziverseError && error.code === 'BROKER_OPTION_INVALID', error as Error)
      return
    }
    for (const address of resolved.urls) assert.ok(new URL(address).username === '' && new URL(address).password === '')
    const filters = resolved.filters.map(parseSubscription)
    for (const topic of resolved.agentTopics) {
      assert.match(resolved.contractTopic(topic), /^agent\/(connected|disconnected|message)$/)
      assert.ok(resolved.isSubscribedTo(topic))
      assert.ok(filters.some(filter => filter !== undefined && matches(filter, topic.split('/'))))
    }
    if (!/[/+#\0]/.test(level) && level !== '') assert.equal(resolved.contractTopic(`agent/${level}/message`), 'agent/message')
  }), 1_500)
})

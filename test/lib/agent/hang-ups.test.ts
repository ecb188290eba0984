import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { makeAgent, problem } from '../../helpers/agent-broker.ts'
import { scriptedBroker, type ScriptedBroker } from '../../helpers/scripted-broker.ts'

/** Speaks 3.1.1 alone, and hangs up on messages that it does not want, as soon as it sees them. @param stores what it acknowledges */
async function broker311 (t: TestContext, hangsUpOn: (text: string, connection: number) => boolean, stores = () => true): Promise<ScriptedBroker> {
  return await scriptedBroker(t, (peer, before) => {
    peer.send({ cmd: 'connack', sessionPresent: false, returnCode: peer.version === 5 ? 1 : 0, reasonCode: peer.version === 5 ? 1 : 0 })
    if (peer.version === 5) return void peer.socket.end()
    peer.on(packet => {
      if (packet.cmd === 'subscribe') peer.send({ cmd: 'suback', messageId: packet.messageId, granted: packet.subscriptions.map(() => 1) })
      if (packet.cmd !== 'publish' || packet.qos !== 1 || peer.socket.destroyed) return
      if (hangsUpOn(packet.payload.toString(), before) || !stores()) peer.socket.destroy()
      else peer.send({ cmd: 'puback', messageId: packet.messageId })
    })
  })
}

/** Of one message. */
const large = ['large', 'larger'].map(type => ({ type, value: 'x'.repeat(1_000) }))

const isLarge = (text: string): boolean => text.length > 1_000

test('a message that is too large for a broker, which hangs up over it, is given up, told and counted, and the others go', async t => {
  const { url, consumers } = await broker311(t, isLarge)
  const agent = makeAgent(t, { mqtt: { url } })
  const told = problem(agent, 'AGENT_MESSAGE_REFUSED')
  await agent.connect()
  const reports = [1, 2, 3].map(value => agent.report({ type: 'before', value }))
  const tooLarge = agent.report(large)
  reports.push(...[4, 5].map(value => agent.report({ type: 'after', value })))
  assert.equal((await told).detail, 'The broker ended the connection each time that it was given this message.')
  await assert.rejects(tooLarge, { code: 'AGENT_MESSAGE_REFUSED' })
  await Promise.all(reports)
  assert.deepEqual(agent.counters, { sent: 5, pending: 0, dropped: 1 })
  assert.ok(consumers.length <= 8, `${consumers.length}`)
})

test('a broker that hangs up because it can store nothing gets everything again, the largest message too, however often that is', async t => {
  let refusals = 10
  const { url } = await broker311(t, () => false, () => refusals-- <= 0)
  const agent = makeAgent(t, { mqtt: { url } })
  const reports = [1, 2].map(value => agent.report({ type: 'a', value }))
  reports.push(agent.report(large))
  await agent.connect()
  await Promise.all(reports)
  assert.deepEqual(agent.counters, { sent: 3, pending: 0, dropped: 0 })
})

test('a message is sent again for ever where one as large was stored before', async t => {
  let refusals = 10
  const { url } = await broker311(t, text => text.includes('"again"') && refusals-- > 0)
  const agent = makeAgent(t, { mqtt: { url } })
  await agent.connect()
  await agent.report({ type: 'first and larger', value: 1 })
  await agent.report({ type: 'again', value: 1 })
  assert.deepEqual(agent.counters, { sent: 2, pending: 0, dropped: 0 })
})

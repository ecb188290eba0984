import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Packet } from 'mqtt-packet'
import sqlite3 from 'sqlite3'
import { attachBroker, findBroker } from '../../../../lib/registry/registry.ts'
import { brokerOptions, openBroker, removeBroker } from '../../../helpers/broker.ts'
import { once, until, waitFor } from '../../../helpers/events.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { leaveSession, speak } from '../../../helpers/persistent-broker.ts'

const program = fileURLToPath(import.meta.url)

/** A broker in a process of its own, which is killed right after the given commit: nothing of what would follow happens. Commits count from the moment that it is told so. */
async function beKilled (folder: string, after: number): Promise<void> {
  const { prototype } = sqlite3.Database as unknown as { prototype: { run (sql: string, values: unknown[], done: (error: Error | null) => void): unknown } }
  const { run } = prototype
  let commits = -Infinity
  prototype.run = function (sql, values, done) {
    return run.call(this, sql, values, error => {
      if (sql.startsWith('insert into changes') && ++commits === after) process.kill(process.pid, 'SIGKILL')
      else done(error)
    })
  }
  const place = findBroker('broker')
  place.on('listener', state => { if (state.state === 'listening') process.send?.({ port: state.port }) })
  await attachBroker('broker', brokerOptions({ folder }))
  const count = async (): Promise<void> => {
    // What came before is committed.
    await place.publish({ topic: 'nobody', payload: '', qos: 1, retain: false })
    commits = 0
    process.send?.({ counts: true })
    // Before the first one, too.
    if (after === 0) process.kill(process.pid, 'SIGKILL')
  }
  process.on('message', () => { void count() })
  process.on('disconnect', () => { process.exit() })
}

if (process.argv[2] === 'be killed') await beKilled(process.argv[3]!, Number(process.argv[4]))
else defineTests()

const publish = { cmd: 'publish', topic: 'both', payload: 'x', qos: 2, messageId: 7, retain: false, dup: false } as const

interface Members {
  /** Members of the group that are connected, by client id, and whether their sessions are clean. */
  here: Record<string, boolean>
}

/** @returns whether the broker was killed before the publisher had its PUBREC, and how often each session has the message after it was sent again */
async function publishAndKill (t: TestContext, after: number, { here }: Members): Promise<{ killed: boolean, plain: number, group: number }> {
  const folder = await temporaryFolder(t)
  const before = await openBroker(t, { folder })
  await leaveSession(t, before.port, 'plain', 'both', 2)
  await leaveSession(t, before.port, 'member', '$share/group/both', 2)
  await removeBroker(before.id)

  const child = fork(program, ['be killed', folder, String(after)])
  t.after(() => { child.kill('SIGKILL') })
  const exited = once(child, 'exit')
  const { port } = await waitFor<{ port: number }>(child, 'message')
  for (const [clientId, clean] of Object.entries(here)) {
    const member = await speak(t, port, clientId, undefined, clean)
    member.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '$share/group/both', qos: 2 }] })
    await member.next('suback')
  }
  const publisher = await speak(t, port, 'publisher')
  child.send('count')
  if (after > 0) await waitFor<{ counts?: true }>(child, 'message', ({ counts }) => counts === true)
  publisher.send(publish)
  const received = publisher.next('pubrec').then(() => false, () => true)
  const killed = await Promise.race([exited.then(() => true), received])
  child.kill('SIGKILL')
  await exited

  const broker = await openBroker(t, { folder })
  const again = await speak(t, broker.port, 'publisher')
  again.send({ ...publish, dup: true })
  await again.next('pubrec')
  again.send({ cmd: 'pubrel', messageId: 7 } as Packet)
  await again.next('pubcomp')
  const counts: Record<string, number> = {}
  for (const clientId of ['plain', 'member', ...Object.keys(here)]) {
    if (here[clientId] === true) continue
    const client = await speak(t, broker.port, clientId)
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'end', qos: 0 }] })
    await client.next('suback')
    client.send({ cmd: 'publish', topic: 'end', payload: '', qos: 0, retain: false, dup: false })
    const topics = (): string[] => client.packets.flatMap(packet => packet.cmd === 'publish' ? [packet.topic] : [])
    await until(topics, topics => topics.includes('end'))
    counts[clientId] = topics().length - 1
    client.socket.destroy()
  }
  await removeBroker(broker.id)
  const { plain = 0, ...others } = counts
  return { killed, plain, group: Object.values(others).reduce((sum, count) => sum + count, 0) }
}

function defineTests (): void {
  for (const [what, members] of Object.entries<Members>({ 'none of whose members is here': { here: {} }, 'of which a session is here': { here: { here: false } } })) {
    test(`a message of QoS 2 for a session and for a group ${what} comes once to each, after whichever commit the broker is killed`, { timeout: 120_000 }, async t => {
      for (let after = 0, killed = true; killed; after++) {
        const result = await publishAndKill(t, after, members)
        ;({ killed } = result)
        assert.deepEqual([result.plain, result.group], [1, 1], `killed after commit ${after}`)
      }
    })
  }

  test('a message of QoS 2 for a session and for a group of which a client without a session is here comes once to the session, after whichever commit the broker is killed', { timeout: 120_000 }, async t => {
    for (let after = 0, killed = true; killed; after++) {
      const result = await publishAndKill(t, after, { here: { here: true } })
      ;({ killed } = result)
      assert.equal(result.plain, 1, `killed after commit ${after}`)
      assert.ok(result.group <= 1)
    }
  })
}

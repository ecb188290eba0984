import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { generate, type Packet } from 'mqtt-packet'
import helper from 'node-red-node-test-helper'
import { hashPassword } from '../../lib/broker/access/passwords.ts'
import type { Decide, Login } from '../../lib/broker/broker-options.ts'
import { AskedLogins } from '../../lib/broker/login/asked-logins.ts'
import { LoginQuestions, type Question } from '../../lib/broker/login/login-questions.ts'
import { attachBroker, findBroker } from '../../lib/registry/registry.ts'
import { brokerOptions, openBroker, type TestBroker } from '../helpers/broker.ts'
import { makeAuthority, withoutOpenssl } from '../helpers/certificates.ts'
import { closing, until } from '../helpers/events.ts'
import { useNodeRed, type TestFlow } from '../helpers/flow.ts'
import { temporaryFolder } from '../helpers/folder.ts'
import { rawSocket } from '../helpers/raw-client.ts'

const here = '192.0.2.1'

/** CONNACK's return code for a client that is not let in. */
async function refused (connecting: Promise<unknown>): Promise<number> {
  return await connecting.then(() => assert.fail('it was let in'), (error: { code?: number }) => Number(error.code))
}

describe('the node', () => {
  const load = useNodeRed()
  const flowOf = (config: object) => [
    { id: 'tab', type: 'tab' },
    { id: 'broker', z: 'tab', x: 1, y: 1, type: 'platziverse-broker', port: 0, login: 'flow', wires: [['events'], ['answers']], ...config },
    { id: 'errors', z: 'tab', x: 1, y: 1, type: 'catch', scope: null, uncaught: false, wires: [['caught']] },
    ...['events', 'answers', 'caught'].map(id => ({ id, z: 'tab', x: 1, y: 1, type: 'helper' }))
  ]
  const questionsOf = (flow: TestFlow): Question[] => flow.received('events').filter(({ topic }) => topic === 'client/login').map(({ payload }) => payload as Question)
  /** The question that comes after those of before. */
  const nextQuestion = async (flow: TestFlow): Promise<Question> => {
    const before = questionsOf(flow).length
    return await until(() => questionsOf(flow)[before], question => question !== undefined) as Question
  }
  const tell = (flow: TestFlow, payload: unknown): void => { flow.node('broker').receive({ topic: 'login', payload }) }

  async function connect (t: TestContext, flow: TestFlow, options: IClientOptions): Promise<MqttClient> {
    const client = await connectAsync(await flow.url('broker'), { reconnectPeriod: 0, ...options })
    client.on('error', () => undefined)
    t.after(() => { client.end(true) })
    return client
  }

  test('asks the flow, and who it allows is who it said, for the rules too', async t => {
    const flow = await load(flowOf({ host: '127.0.0.1', rules: [{ subject: 'everyone', username: '', access: 'readwrite', topic: 'plant/%u' }] }))
    const asked = nextQuestion(flow)
    const connecting = connect(t, flow, { clientId: 'one', username: 'ana', password: 'sécret' })
    const { id, ...question } = await asked
    assert.deepEqual(JSON.parse(JSON.stringify(question)), { clientId: 'one', username: 'ana', password: 'sécret', address: '127.0.0.1' })
    tell(flow, { id, allow: true })
    const client = await connecting
    await client.subscribeAsync('plant/ana')
    await assert.rejects(client.subscribeAsync('plant/bob'))
    assert.deepEqual(flow.received('answers'), [], 'an answer is not answered')
  })

  test('refuses whom the flow does not allow, and says no password', async t => {
    const flow = await load(flowOf({}))
    const asked = nextQuestion(flow)
    const connecting = refused(connect(t, flow, { username: 'ana', password: 'Tr0ub4dor' }))
    tell(flow, { id: (await asked).id, allow: false })
    assert.equal(await connecting, 5)
    const event = await until(() => flow.received('events').find(({ topic }) => topic === 'client/refused'), event => event !== undefined)
    assert.doesNotMatch(JSON.stringify(event), /Tr0ub4dor/)
    assert.doesNotMatch(flow.log().join('\n'), /Tr0ub4dor/)
    assert.equal(findBroker('broker').statistics().refusedBy['credentials'], 1)
  })

  test('lets nobody in without a login, not even from this machine, and listens on the network', async t => {
    const flow = await load(flowOf({}))
    assert.equal(await refused(connect(t, flow, {})), 5)
    assert.deepEqual(questionsOf(flow), [])
    const { listener } = findBroker('broker')
    assert.match(listener.state === 'listening' ? listener.host : '', /^(::|0\.0\.0\.0)$/)
  })

  test('asks nobody while the users decide', async t => {
    const flow = await load(flowOf({ login: 'users' }), { broker: { users: JSON.stringify([{ username: 'ana', hash: await hashPassword('right') }]) } })
    await connect(t, flow, { username: 'ana', password: 'right' })
    assert.deepEqual(questionsOf(flow), [])
  })

  test('takes one answer to each question, by its id alone', async t => {
    const flow = await load(flowOf({}))
    const asked = nextQuestion(flow)
    const connecting = connect(t, flow, { username: 'ana', password: 'x' })
    const { id } = await asked
    assert.match(id, /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
    const wrong = async (payload: unknown): Promise<void> => {
      const before = flow.received('caught').length
      tell(flow, payload)
      const caught = await until(() => flow.received('caught')[before], message => message !== undefined)
      assert.match((caught?.['error'] as { message: string }).message, /^BROKER_COMMAND_INVALID/)
    }
    for (const payload of [undefined, {}, { allow: true }, { id }, { id, allow: 'true' }, { id: 'another', allow: true }, { id: [id], allow: true }]) await wrong(payload)
    assert.equal(findBroker('broker').statistics().clients, 0)
    tell(flow, { id, allow: true })
    await connecting
    await wrong({ id, allow: true })
  })

  test('ends open questions as no when a deploy replaces it, and keeps who is in', async t => {
    const flow = await load(flowOf({}))
    const first = nextQuestion(flow)
    const connecting = connect(t, flow, { clientId: 'in', username: 'ana', password: 'x' })
    tell(flow, { id: (await first).id, allow: true })
    const client = await connecting
    const second = nextQuestion(flow)
    const waiting = refused(connect(t, flow, { clientId: 'waiting', username: 'ana', password: 'x' }))
    const { id } = await second
    const asked = performance.now()
    await (helper as unknown as { setFlows (flows: object[], type: string): Promise<void> }).setFlows(flowOf({ name: 'changed' }), 'full')
    assert.equal(await waiting, 3)
    assert.ok(performance.now() - asked < 4_000, 'not only when the time is over')
    await until(() => flow.node('broker') as { name?: string } | null, node => node?.name === 'changed')
    tell(flow, { id, allow: true })
    assert.equal(client.connected, true)
    assert.equal(findBroker('broker').statistics().clients, 1)
    assert.equal(findBroker('broker').statistics().refusedBy['undecided'], 1)
  })
})

function deferred<T> (): { promise: Promise<T>, resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined
  return { promise: new Promise<T>(settle => { resolve = settle }), resolve: value => { resolve(value) } }
}

/** Asks, and is answered as `decide` says. */
function asking (decide: (login: Login) => boolean | undefined): { decide: Decide, asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    decide: async login => {
      asked.push(`${login.username} ${login.password}`)
      return decide(login)
    }
  }
}

async function attach (broker: TestBroker, options: Parameters<typeof brokerOptions>[0]): Promise<void> {
  await attachBroker(broker.id, brokerOptions(options))
}

test('a question that is not answered in time is a no, and the client may try again', async t => {
  const questions: Question[] = []
  const logins = new LoginQuestions(question => { questions.push(question) }, 20)
  const broker = await openBroker(t, { decide: login => logins.decide(login) })
  assert.equal(await refused(broker.client({ username: 'ana', password: 'x' })), 3)
  assert.equal(broker.place.statistics().refusedBy['undecided'], 1)
  assert.equal(questions.length, 1)
  assert.throws(() => { logins.answer({ id: questions[0]?.id, allow: true }) }, { code: 'BROKER_COMMAND_INVALID' })
})

test('after it closed nothing is asked', async () => {
  const logins = new LoginQuestions(() => { assert.fail('it was asked') })
  logins.close()
  assert.equal(await logins.decide({ clientId: 'one', username: 'ana', password: 'x', address: here }), undefined)
})

test('a password that is no text is refused without a question; one that was not sent is asked about', async t => {
  const { decide, asked } = asking(({ password }) => password === undefined)
  const broker = await openBroker(t, { decide })
  await assert.rejects(broker.client({ username: 'ana', password: Buffer.from([0xff]) }))
  assert.deepEqual(asked, [])
  await broker.client({ username: 'token' })
  assert.deepEqual(asked, ['token undefined'])
})

test('a client whose certificate says who it is needs no question, and a change of users does not touch it', { skip: withoutOpenssl }, async t => {
  const authority = makeAuthority(await temporaryFolder(t))
  const tls = { ...authority.issue('server'), ca: authority.cert }
  const listeners = [{ transport: 'tls', host: '127.0.0.1', port: 0, tls, certificates: 'username' } as const]
  const { decide, asked } = asking(() => false)
  const broker = await openBroker(t, { listeners, decide })
  const client = await connectAsync(`mqtts://localhost:${broker.port}`, { reconnectPeriod: 0, ca: authority.cert, ...authority.issue('sensor-7') })
  t.after(() => { client.end(true) })
  assert.deepEqual(asked, [])
  for (const users of [[{ username: 'sensor-7', hash: 'one' }], [{ username: 'other', hash: 'two' }]]) await attach(broker, { listeners, users })
  await attach(broker, { listeners, decide })
  await client.publishAsync('a', 'still here', { qos: 1 })
})

test('who decides may change: then all log in again, and those who are on their way in', async t => {
  const { decide } = asking(() => true)
  const users = [{ username: 'bob', hash: await hashPassword('right') }]
  const broker = await openBroker(t, { host: '127.0.0.1', decide })
  const gone = closing(await broker.client({ username: 'ana', password: 'x' }))
  await attach(broker, { host: '127.0.0.1', users })
  await gone
  const user = await broker.client({ username: 'bob', password: 'right' })
  const alsoGone = closing(user)
  await attach(broker, { host: '127.0.0.1', users, decide })
  await alsoGone
  // At another step of the way in each time.
  for (let turns = 0; turns < 30; turns++) {
    const asked = deferred<void>()
    await attach(broker, { host: '127.0.0.1', decide: async () => { asked.resolve(); return true } })
    const coming = await rawSocket(t, broker.port)
    const closed = closing(coming.resume())
    coming.write(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId: 'ana', username: 'ana', password: Buffer.from('x'), keepalive: 0, clean: false } as Packet))
    await asked.promise
    for (let turn = 0; turn < turns; turn++) await undefined
    await attach(broker, { host: '127.0.0.1', users })
    await closed
  }
})

test('an answer to a question that was asked before somebody else decides lets nobody in', async t => {
  const asked = deferred<void>()
  const answered = deferred<boolean>()
  const broker = await openBroker(t, { host: '127.0.0.1', decide: () => { asked.resolve(); return answered.promise } })
  const connecting = refused(broker.client({ username: 'ana', password: 'x' }))
  await asked.promise
  await attach(broker, { host: '127.0.0.1', users: [{ username: 'bob', hash: 'b' }] })
  answered.resolve(true)
  assert.equal(await connecting, 3)
})

test('wrong logins slow down where they come from; who got in from there before still does, and is asked for', async () => {
  let now = 0
  const { decide, asked } = asking(({ password }) => password === 'right')
  const logins = new AskedLogins({ now: () => now })
  const login = (username: string, password: string, address = here): Promise<string> => logins.authenticate(decide, 'one', username, Buffer.from(password), address)
  assert.equal(await login('ana', 'right'), 'granted')
  for (let i = 0; i < 5; i++) assert.equal(await login('bob', `guess ${i}`), 'refused')
  asked.length = 0
  assert.equal(await login('bob', 'right'), 'slowed')
  assert.equal(await login('carl', 'right'), 'slowed')
  assert.deepEqual(asked, [], 'the flow is spared')
  assert.equal(await login('ana', 'right'), 'granted')
  assert.deepEqual(asked, ['ana right'])
  assert.equal(await login('bob', 'right', '198.51.100.1'), 'granted', 'from elsewhere')
  for (let i = 0; i < 5; i++) assert.equal(await login('ana', `guess ${i}`), 'slowed')
  assert.equal(await login('ana', 'right'), 'slowed', 'guessing at ana is slowed as well')
  now += 1_001
  assert.equal(await login('bob', 'right'), 'granted')
})

test('guesses at one user from forty addresses are slowed, and the user still gets in from where it always comes', async () => {
  const { decide, asked } = asking(({ password }) => password === 'right')
  const logins = new AskedLogins({ now: () => 0 })
  const login = (password: string, address: string): Promise<string> => logins.authenticate(decide, 'one', 'ana', Buffer.from(password), address)
  assert.equal(await login('right', here), 'granted')
  asked.length = 0
  const verdicts: string[] = []
  for (let i = 0; i < 80; i++) verdicts.push(await login(`guess ${i}`, `198.51.100.${i % 40}`))
  assert.deepEqual([verdicts.filter(verdict => verdict === 'refused').length, asked.length], [20, 20])
  assert.equal(await login('right', '198.51.100.39'), 'slowed')
  assert.equal(await login('right', here), 'granted')
})

test('the same wrong password again slows down itself alone', async () => {
  const { decide } = asking(({ password }) => password === 'right')
  const logins = new AskedLogins({ now: () => 0 })
  const login = (username: string, password: string): Promise<string> => logins.authenticate(decide, 'one', username, Buffer.from(password), here)
  for (let i = 0; i < 5; i++) assert.equal(await login('bob', 'old'), 'refused')
  assert.equal(await login('bob', 'old'), 'slowed')
  assert.equal(await login('bob', 'right'), 'granted')
})

test('of many guesses that come at once, all but the first few learn nothing', async () => {
  const decide: Decide = async ({ password }) => password === 'guess 100'
  const logins = new AskedLogins({ now: () => 0 })
  const verdicts = await Promise.all(Array.from({ length: 200 }, (_, i) => logins.authenticate(decide, 'one', 'ana', Buffer.from(`guess ${i}`), here)))
  assert.deepEqual([verdicts.filter(verdict => verdict === 'refused').length, verdicts.filter(verdict => verdict === 'slowed').length], [5, 195])
})

test('who was allowed and is not any more counts as a guess', async () => {
  let allowed = true
  const { decide } = asking(() => allowed)
  const logins = new AskedLogins({ now: () => 0, failuresAllowed: 1 })
  const login = (): Promise<string> => logins.authenticate(decide, 'one', 'ana', Buffer.from('x'), here)
  assert.equal(await login(), 'granted')
  allowed = false
  assert.deepEqual([await login(), await login()], ['refused', 'slowed'])
})

test('no answer is no failure: a flow that hangs slows nobody down', async () => {
  const logins = new AskedLogins({ now: () => 0 })
  const login = (decide: Decide, i: number): Promise<string> => logins.authenticate(decide, 'one', `user ${i}`, Buffer.from('x'), here)
  for (let i = 0; i < 20; i++) assert.equal(await login(async () => undefined, i), 'undecided')
  await assert.rejects(login(async () => { throw new Error('a broken flow') }, 20))
  assert.equal(await login(async () => true, 21), 'granted')
})

test('at most 1,000 questions are open, and 250 of one network', async () => {
  const answers: Array<(allow: boolean) => void> = []
  const decide: Decide = () => new Promise(resolve => { answers.push(resolve) })
  const logins = new AskedLogins()
  const login = (address: string): Promise<string> => logins.authenticate(decide, 'one', 'ana', Buffer.from('x'), address)
  const open: Array<Promise<string>> = []
  for (const network of [1, 2, 3, 4]) {
    for (let i = 0; i < 250; i++) open.push(login(`192.0.2.${network}`))
    if (network === 1) assert.equal(await login('192.0.2.1'), 'crowded')
  }
  assert.equal(answers.length, 1_000)
  assert.equal(await login('192.0.2.5'), 'crowded')
  for (const answer of answers.splice(0)) answer(true)
  assert.deepEqual(new Set(await Promise.all(open)), new Set(['granted']))
  const next = login('192.0.2.1')
  answers[0]?.(true)
  assert.equal(await next, 'granted')
})

test('a login that finds too many questions open is refused and counted', async t => {
  const answered = deferred<boolean>()
  let asked = 0
  const broker = await openBroker(t, { decide: () => { asked++; return answered.promise }, limits: { connectionRate: 0 } })
  const open = Array.from({ length: 250 }, (_, i) => refused(broker.client({ clientId: `client ${i}`, username: `user ${i}`, password: 'x' })))
  await until(() => asked, count => count === 250)
  assert.equal(await refused(broker.client({ clientId: 'one more', username: 'ana', password: 'x' })), 3)
  assert.equal(broker.place.statistics().refusedBy['undecidedLogins'], 1)
  answered.resolve(false)
  const codes = await Promise.all(open)
  assert.deepEqual([codes.filter(code => code === 5).length, codes.filter(code => code === 3).length], [5, 245])
})

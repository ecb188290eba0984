import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { connectAsync, type MqttClient } from 'mqtt'
import { formatRulesFile, parseRulesFile } from '../../../../lib/broker/access/rules-file.ts'
import { checkRule, Rules, type Rule, type ClientIdentity } from '../../../../lib/broker/access/rules.ts'
import { openMosquitto, withoutMosquitto } from '../../../helpers/mosquitto.ts'

const example = `# Sensors and those who look after them.
topic read public/#
topic deny public/hidden

pattern write sensor_data/%u
pattern   read    config_change/%u
user application
topic read sensor_data/#
pattern deny +/secret/%c
user  ada lovelace\r
  topic a topic
topic   readwrite   a  topic/with spaces/#  
topic read
user application
topic write
topic readwrite read
`

test('an ACL file is read as Mosquitto reads it', () => {
  const { rules, problems } = parseRulesFile(example)
  assert.deepEqual(problems, [{ line: 11, problem: 'accessUnknown', text: 'The access must be read, write, readwrite or deny.' }])
  assert.deepEqual(rules, [
    { subject: 'anonymous', access: 'read', topic: 'public/#' },
    { subject: 'anonymous', access: 'deny', topic: 'public/hidden' },
    { subject: 'everyone', access: 'write', topic: 'sensor_data/%u' },
    { subject: 'everyone', access: 'read', topic: 'config_change/%u' },
    { subject: 'user', username: 'application', access: 'read', topic: 'sensor_data/#' },
    { subject: 'everyone', access: 'deny', topic: '+/secret/%c' },
    { subject: 'user', username: 'ada lovelace', access: 'readwrite', topic: 'a  topic/with spaces/#' },
    { subject: 'user', username: 'ada lovelace', access: 'readwrite', topic: 'read' },
    { subject: 'user', username: 'application', access: 'readwrite', topic: 'write' },
    { subject: 'user', username: 'application', access: 'readwrite', topic: 'read' }
  ])
})

test('a line that cannot be read is reported with its number and left out', () => {
  const problems = (text: string) => parseRulesFile(text).problems
  assert.match(problems('topic read a/#/b')[0]?.text ?? '', /not a filter/)
  assert.match(problems('topic')[0]?.text ?? '', /topic is missing/)
  assert.equal(problems('topics a')[0]?.problem, 'keywordUnknown')
  assert.match(problems('topics a')[0]?.text ?? '', /A line starts with/)
  assert.match(problems(' # a comment starts in the first column')[0]?.text ?? '', /A line starts with/)
  assert.match(problems('pattern read a/x-%u')[0]?.text ?? '', /stand alone/)
  assert.match(problems('topic read\ta')[0]?.text ?? '', /control character/)
  assert.deepEqual(problems('\n\ntopic #\n\ntopic rea #\n').map(({ line }) => line), [5])
})

test('lines below a user that could not be read are given to nobody', () => {
  const { rules, problems } = parseRulesFile('user ada\ntopic a\nuser\ntopic readwrite #\npattern read b\nuser bob\ntopic c')
  assert.deepEqual(rules.map(({ topic }) => topic), ['a', 'b', 'c'])
  assert.deepEqual(problems.map(({ line, problem }) => [line, problem]), [[3, 'usernameMissing'], [4, 'sectionUnknown']])
})

test('a file without rules is a problem, as it stands for the opposite of an empty table (CVE-2018-12550)', () => {
  for (const text of ['', '\n', '# nothing\n', formatRulesFile([])]) {
    assert.deepEqual(parseRulesFile(text).rules, [])
    const [problem, ...others] = parseRulesFile(text).problems
    assert.deepEqual([problem?.line, problem?.problem, others], [1, 'rulesMissing', []])
    assert.match(problem?.text ?? '', /no rule/)
  }
})

test('rules are written as an ACL file, the lines of anonymous clients first', () => {
  const { rules } = parseRulesFile(example)
  assert.equal(formatRulesFile(rules), `topic read public/#
topic deny public/hidden

pattern write sensor_data/%u
pattern read config_change/%u
pattern deny +/secret/%c

user application
topic read sensor_data/#
user ada lovelace
topic readwrite a  topic/with spaces/#
topic readwrite read
user application
topic readwrite write
topic readwrite read
`)
})

test('a rule that would write lines of its own is not written', () => {
  const rule: Rule = { subject: 'user', username: 'ada\ntopic readwrite #', access: 'read', topic: 'a' }
  assert.throws(() => formatRulesFile([rule]), /Rule 1: .*control character/)
  assert.throws(() => formatRulesFile([{ ...rule, username: 'ada', topic: 'a\nuser bob' }]), TypeError)
})

test('rules that were written and read again are the same rules', () => {
  const sorted = (rules: Rule[]) => rules.map(({ subject, username = '', access, topic }) => JSON.stringify([subject, username, access, topic])).sort()
  for (let seed = 1; seed <= 300; seed++) {
    const rules = randomRules(seed, 1 + seed % 20)
    const { rules: read, problems } = parseRulesFile(formatRulesFile(rules))
    assert.deepEqual(problems, [])
    assert.deepEqual(sorted(read), sorted(rules))
    assert.equal(formatRulesFile(read), formatRulesFile(rules))
  }
})

const levels = ['a', 'b', '', ' x  y', '$test', 'read', 'topic', 'ada', 'c1', 'ü']

/** Rules that check, from the same numbers each time. */
function randomRules (seed: number, count: number): Rule[] {
  let state = seed
  const pick = <T>(choices: readonly T[]) => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32
    return choices[Math.floor(state / 2 ** 32 * choices.length)] as T
  }
  const rules: Rule[] = []
  while (rules.length < count) {
    const subject = pick(['everyone', 'anonymous', 'user', 'user'] as const)
    const depth = pick([1, 2, 2, 3])
    const topic = Array.from({ length: depth }, () => pick([...levels, '+', '+', '%u', '%c'])).join('/') + pick(['', '', '/#'])
    // Where a `topic` line grants what a `pattern` denies, Mosquitto says something else: see below.
    const access = pick(['read', 'write', 'readwrite', ...subject === 'everyone' ? [] : ['deny'] as const] as const)
    const whom = subject === 'user' ? { subject, username: pick(['ada', 'ada lovelace', '#', 'topic', 'c1']) } : { subject }
    const rule: Rule = { ...whom, access, topic }
    if (checkRule(rule) === undefined) rules.push(rule)
  }
  return rules
}

/** May read and write everything, whatever else the file says: an extra user of the file. */
const root = 'user root-of-test\ntopic readwrite #\ntopic readwrite $test/#\n'

/** A real Mosquitto with this ACL file; gives clients. Every username may connect. */
async function mosquittoWith (t: TestContext, aclFile: string): Promise<(who: ClientIdentity) => Promise<MqttClient>> {
  const { port } = await openMosquitto(t, 'allow_anonymous true\nuser root\nacl_file FOLDER/acl', { acl: aclFile })
  return async ({ username, clientId }) => {
    const client = await connectAsync(`mqtt://127.0.0.1:${port}`, { clientId, reconnectPeriod: 0, ...username === undefined ? {} : { username } })
    t.after(() => { client.end(true) })
    return client
  }
}

interface Allowed { publishes: string[], receives: string[] }

/** What Mosquitto lets a client publish and deliver to it. */
async function askMosquitto (connect: (who: ClientIdentity) => Promise<MqttClient>, who: ClientIdentity, topics: string[]): Promise<Allowed> {
  const all = ['#', '$test/#']
  /** Topics that get from one client to the other. UNSUBACK comes after the messages that were on their way. */
  const passed = async (from: MqttClient, to: MqttClient) => {
    const heard = new Set<string>()
    const hear = (topic: string) => { heard.add(topic) }
    to.on('message', hear)
    await to.subscribeAsync(all, { qos: 0 })
    await Promise.all(topics.map(topic => from.publishAsync(topic, 'x', { qos: 1 })))
    await to.unsubscribeAsync(all)
    to.off('message', hear)
    return topics.filter(topic => heard.has(topic))
  }
  const client = await connect(who)
  const master = await connect({ username: 'root-of-test', clientId: 'root-of-test' })
  const allowed = { publishes: await passed(client, master), receives: await passed(master, client) }
  await Promise.all([client.endAsync(), master.endAsync()])
  return allowed
}

function askRules (rules: Rule[], who: ClientIdentity, topics: string[]): Allowed {
  const rights = new Rules(rules).for(who)
  return { publishes: topics.filter(topic => rights.mayPublish(topic)), receives: topics.filter(topic => rights.mayReceive(topic)) }
}

async function assertSameAsMosquitto (t: TestContext, aclFile: string, clients: ClientIdentity[], topics: string[]): Promise<number> {
  const { rules, problems } = parseRulesFile(`${aclFile}${root}`)
  assert.deepEqual(problems, [])
  const connect = await mosquittoWith(t, `${aclFile}${root}`)
  let allowed = 0
  for (const who of clients) {
    const ours = askRules(rules, who, topics)
    assert.deepEqual(ours, await askMosquitto(connect, who, topics), `${JSON.stringify(who)} with\n${aclFile}`)
    allowed += ours.publishes.length + ours.receives.length
  }
  return allowed
}

test('a real Mosquitto decides the same: publish and delivery', { skip: withoutMosquitto }, async t => {
  const aclFile = `topic read public/#
topic deny public/hidden
topic readwrite anonymous/+/x
pattern write sensor_data/%u
pattern read config_change/%u
pattern readwrite clients/%c/#
pattern readwrite %u/own/%c
pattern deny +/never/%u
user application
topic read sensor_data/#
user operator
topic write config_change/#
topic readwrite +/edge
topic deny config_change/locked/#
user  ada lovelace
topic readwrite a topic with  spaces/#
topic readwrite $test/+
topic readwrite /+/
user operator
topic write +
user all
topic #
topic deny $test/x
`
  const names = [undefined, 'application', 'operator', 'ada lovelace', 'all', 'sensor1', '#', '+', 'se+nsor', '%c', '$test']
  const clients = names.map((username, i): ClientIdentity => ({ username, clientId: username === '$test' ? 'c+' : `c${i}` }))
  const topics = [
    'public', 'public/a', 'public/hidden', 'public/hidden/a', 'anonymous/a/x', 'anonymous//x', 'anonymous/x', 'anonymous/a/b/x',
    'sensor_data', 'sensor_data/sensor1', 'sensor_data/sensor2', 'sensor_data/sensor1/a', 'sensor_data/%u', 'sensor_data/application',
    'config_change/sensor1', 'config_change/operator', 'config_change', 'config_change/',
    'config_change/locked', 'config_change/locked/a', 'config_change/lockedx', 'clients/c0', 'clients/c1/a/b', 'clients/c2', 'clients/%c', 'clients/c10/',
    'sensor1/own/c5', 'sensor1/own/c6', 'own/c0', 'x/never/sensor1', 'x/never', 'a/edge', '/edge', 'edge', 'a/b/edge',
    'a topic with  spaces', 'a topic with  spaces/b', 'a topic with spaces', '$test/x', '$test/y', '$test', '$test/x/y', '$test/edge', '$testing/x',
    '/', '//', '/a/', '/a', '/a/b', 'a'
  ]
  assert.ok(await assertSameAsMosquitto(t, aclFile, clients, topics) > 100)
})

test('a real Mosquitto decides the same with rules that nobody thought of', { skip: withoutMosquitto }, async t => {
  const names = levels.filter(level => level !== '')
  const pairs = levels.flatMap(first => names.map(second => `${first}/${second}`))
  const topics = [...names, '/', ...pairs, 'a/b/ada', '//', 'a//b', 'ada/c1/a', '/ada/', 'c1/x/ada', '$test/a/b']
  const clients: ClientIdentity[] = [
    { username: undefined, clientId: 'c1' },
    { username: 'ada', clientId: 'c1' },
    { username: 'ada lovelace', clientId: 'c2' },
    { username: 'c1', clientId: 'ada' }
  ]
  let allowed = 0
  for (let seed = 1; seed <= 4; seed++) {
    allowed += await assertSameAsMosquitto(t, formatRulesFile(randomRules(seed, 14)), clients, topics)
  }
  assert.ok(allowed > 100)
})

test('where a pattern denies what a topic line grants, Mosquitto grants and the rules deny', { skip: withoutMosquitto }, async t => {
  const aclFile = 'pattern deny a/secret\npattern readwrite b\nuser ada\ntopic readwrite a/#\n'
  const who: ClientIdentity = { username: 'ada', clientId: 'c1' }
  const topics = ['a/secret', 'a/b', 'b']
  const connect = await mosquittoWith(t, `${aclFile}${root}`)
  assert.deepEqual((await askMosquitto(connect, who, topics)).publishes, ['a/secret', 'a/b', 'b'])
  assert.deepEqual(askRules(parseRulesFile(aclFile).rules, who, topics).publishes, ['a/b', 'b'])
})

test('where a name has a wildcard, Mosquitto refuses every pattern, the rules those with the name', { skip: withoutMosquitto }, async t => {
  const aclFile = 'pattern readwrite free\npattern readwrite own/%u\nuser a+b\ntopic readwrite a/#\n'
  const who: ClientIdentity = { username: 'a+b', clientId: 'c1' }
  const topics = ['free', 'own/x', 'a/b']
  const connect = await mosquittoWith(t, `${aclFile}${root}`)
  assert.deepEqual((await askMosquitto(connect, who, topics)).publishes, ['a/b'])
  assert.deepEqual(askRules(parseRulesFile(aclFile).rules, who, topics).publishes, ['free', 'a/b'])
})

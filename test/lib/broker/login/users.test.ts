import assert from 'node:assert/strict'
import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { hashPassword, type UserRecord } from '../../../../lib/broker/access/passwords.ts'
import { changedUsers, Users, type UsersOptions } from '../../../../lib/broker/login/users.ts'
import { networkOf } from '../../../../lib/broker/network-address.ts'

const minute = 60_000

/** A record whose check is cheap, for what is not about cost. */
function user (username: string, password: string): UserRecord {
  const salt = randomBytes(12)
  const key = pbkdf2Sync(password, salt, 1, 64, 'sha512')
  return { username, hash: `$7$1$${salt.toString('base64')}$${key.toString('base64')}` }
}

function usersWithClock (records: UserRecord[], options: UsersOptions = {}) {
  const clock = { now: 1e6 }
  const users = new Users(records, { now: () => clock.now, ...options })
  const login = (username: string, password: string, address = '192.0.2.1') => users.authenticate(username, Buffer.from(password), address)
  /** Fail with passwords that nobody tried before until the address is slowed. */
  const slowDown = async (address = '192.0.2.1', username = 'nobody') => {
    for (let i = 0; await login(username, `wrong ${i} ${clock.now}`, address) !== 'slowed'; i++) assert.ok(i < 100, 'is slowed at some time')
  }
  return { users, clock, login, slowDown }
}

test('the right password is granted, all else is refused', async () => {
  const { users, login } = usersWithClock([user('ana', 'secret'), user('empty', '')])
  assert.equal(await login('ana', 'secret'), 'granted')
  assert.equal(await login('ana', 'secret'), 'granted', 'again')
  assert.equal(await login('ana', 'wrong'), 'refused')
  assert.equal(await login('nobody', 'secret'), 'refused')
  assert.equal(await login('empty', ''), 'granted')
  assert.equal(await users.authenticate('empty', undefined, undefined), 'refused', 'no password is not an empty one')
})

test('an unknown user is refused with the password of a known one', async () => {
  const { login } = usersWithClock([user('ana', 'secret')])
  assert.equal(await login('nobody', 'secret'), 'refused')
  assert.equal(await login('ANA', 'secret'), 'refused', 'names differ by case')
  assert.equal(await login('ana', 'secret'), 'granted')
})

test('an empty table lets nobody in', async () => {
  const { users, login } = usersWithClock([])
  assert.equal(users.isEmpty, true)
  assert.equal(await login('ana', ''), 'refused')
})

test('a table of damaged hashes is not empty', async () => {
  const { users, login } = usersWithClock([{ username: 'ana', hash: 'plain' }])
  assert.equal(users.isEmpty, false)
  assert.equal(await login('ana', 'plain'), 'refused')
})

test('an unknown user costs as much as a known one', async () => {
  const users = new Users([{ username: 'ana', hash: await hashPassword('secret') }], { failuresAllowed: 1_000 })
  const fastest = { ana: Infinity, nobody: Infinity }
  for (let i = 0; i < 5; i++) {
    for (const username of ['ana', 'nobody'] as const) {
      const started = performance.now()
      assert.equal(await users.authenticate(username, Buffer.from(`wrong ${i}`), undefined), 'refused')
      fastest[username] = Math.min(fastest[username], performance.now() - started)
    }
  }
  assert.ok(fastest.nobody > fastest.ana / 2 && fastest.nobody < fastest.ana * 2, JSON.stringify(fastest))
})

test('a wrong password costs as much when the right one is remembered', async () => {
  const { users, login } = usersWithClock([user('ana', 'secret')])
  await login('ana', 'secret')
  const wrong = login('ana', 'wrong')
  assert.equal(users.checking, 1)
  assert.equal(await wrong, 'refused')
})

test('two hashes are computed at a time, a bounded number wait, and further logins are slowed at once', async () => {
  const { users, login } = usersWithClock([{ username: 'ana', hash: await hashPassword('secret') }], { waiting: 3 })
  const attempts = ['1', '2', '3', '4', 'secret'].map((password, i) => login('ana', password, `192.0.2.${i}`))
  assert.deepEqual([users.checking, users.waiting], [2, 3])
  assert.equal(await login('ana', '6'), 'slowed')
  assert.deepEqual([users.checking, users.waiting], [2, 3], 'nothing ended meanwhile')
  assert.deepEqual(await Promise.all(attempts), ['refused', 'refused', 'refused', 'refused', 'granted'])
  assert.deepEqual([users.checking, users.waiting], [0, 0])
})

test('of thousands that guess at once from one address, a few are looked at', async () => {
  const { users, login } = usersWithClock([user('ana', 'secret')])
  const verdicts = await Promise.all(Array.from({ length: 5_000 }, (_, i) => login('ana', `wrong ${i}`)))
  const refused = verdicts.filter(verdict => verdict === 'refused').length
  assert.ok(refused >= 5 && refused <= 6, `${refused}`)
  assert.deepEqual([users.checking, users.waiting, verdicts.includes('granted')], [0, 0, false])
})

test('of thousands that guess at once at a remembered password, a few are looked at', async () => {
  const { login } = usersWithClock([user('ana', 'secret')])
  await login('ana', 'secret', '198.51.100.7')
  const passwords = [...Array.from({ length: 5_000 }, (_, i) => `wrong ${i}`), 'secret']
  const verdicts = await Promise.all(passwords.map(password => login('ana', password)))
  assert.equal(verdicts.filter(verdict => verdict === 'refused').length, 5)
  assert.equal(verdicts.at(-1), 'slowed', 'the right one among them too: this address never logged in')
})

test('2,000 known clients reconnect within a moment and without a hash', async () => {
  const records = Array.from({ length: 2_000 }, (_, i) => user(`sensor ${i}`, `secret ${i}`))
  const { users, login } = usersWithClock(records, { waiting: 2_000 })
  const all = () => Promise.all(records.map(({ username }, i) => login(username, `secret ${i}`)))
  assert.deepEqual(new Set(await all()), new Set(['granted']))
  const started = performance.now()
  const again = all()
  assert.deepEqual([users.checking, users.waiting], [0, 0])
  assert.deepEqual(new Set(await again), new Set(['granted']))
  assert.ok(performance.now() - started < 10_000)
})

test('2,000 clients that share a username and password cost one hash', async () => {
  const { users, login } = usersWithClock([user('fleet', 'secret')])
  const storm = Array.from({ length: 2_000 }, (_, i) => login('fleet', 'secret', `10.0.${i >> 8}.${i & 255}`))
  assert.deepEqual([users.checking, users.waiting], [1, 0])
  assert.deepEqual(new Set(await Promise.all(storm)), new Set(['granted']))
})

test('each failure too many slows the address for twice as long, five minutes at most', async () => {
  const { clock, login } = usersWithClock([user('ana', 'secret')])
  for (let i = 0; i < 5; i++) assert.equal(await login('ana', `wrong ${i}`), 'refused')
  for (let i = 0; i < 12; i++) {
    const delay = Math.min(1_000 * 2 ** i, 5 * minute)
    clock.now += delay - 1
    assert.equal(await login('ana', 'secret'), 'slowed', `after ${delay - 1} ms`)
    clock.now += 1
    assert.equal(await login('nobody', `wrong again ${i}`), 'refused', `after ${delay} ms`)
  }
})

test('another address is not slowed', async () => {
  const { login, slowDown } = usersWithClock([user('ana', 'secret')])
  await slowDown()
  assert.equal(await login('ana', 'secret', '192.0.2.2'), 'granted')
})

test('failures are forgotten ten minutes after the slowdown ends', async () => {
  const { clock, login, slowDown } = usersWithClock([user('ana', 'secret')])
  await slowDown()
  clock.now += 1_000 + 10 * minute
  for (let i = 0; i < 5; i++) assert.equal(await login('ana', `wrong ${i}`), 'refused')
})

test('a login of one\'s own does not buy more guesses', async () => {
  const { login } = usersWithClock([user('ana', 'secret'), user('mallory', 'known')])
  const verdicts = []
  for (let i = 0; i < 6; i++) {
    assert.equal(await login('mallory', 'known'), 'granted')
    verdicts.push(await login('ana', `wrong ${i}`))
  }
  assert.deepEqual(verdicts, [...Array<string>(5).fill('refused'), 'slowed'])
})

test('behind a slowed address, who logged in from there before still gets in', async () => {
  const { login, slowDown } = usersWithClock([user('ana', 'secret'), user('bob', 'other')])
  await login('ana', 'secret')
  await login('bob', 'other', '198.51.100.7')
  await slowDown()
  assert.equal(await login('ana', 'secret'), 'granted')
  assert.equal(await login('bob', 'other'), 'slowed', 'he came from elsewhere')
})

test('a slowed address cannot guess at what is remembered', async () => {
  const { login, slowDown, clock } = usersWithClock([user('ana', 'secret')])
  await login('ana', 'secret')
  await slowDown()
  for (let i = 0; i < 5; i++) assert.equal(await login('ana', `guess ${i}`), 'slowed')
  assert.equal(await login('ana', 'secret'), 'slowed', 'five guesses, and the way is closed')
  clock.now += 1_000
  assert.equal(await login('ana', 'secret'), 'granted', 'for a while')
})

test('one client that repeats a wrong password slows itself down, not its neighbours', async () => {
  const { login } = usersWithClock([user('ana', 'secret'), user('bob', 'other')])
  const verdicts = []
  for (let i = 0; i < 20; i++) verdicts.push(await login('ana', 'outdated'))
  assert.deepEqual(verdicts.slice(0, 6), [...Array<string>(5).fill('refused'), 'slowed'])
  assert.equal(verdicts.at(-1), 'slowed')
  assert.equal(await login('bob', 'other'), 'granted', 'for the first time')
  assert.equal(await login('ana', 'secret'), 'granted', 'mended')
})

test('a client that repeats a wrong password behind a slowed address does not close the way for its namesakes', async () => {
  const { login, slowDown } = usersWithClock([user('fleet', 'secret')])
  await login('fleet', 'secret')
  await slowDown()
  for (let i = 0; i < 20; i++) assert.equal(await login('fleet', 'outdated'), 'slowed')
  assert.equal(await login('fleet', 'secret'), 'granted')
})

test('a new table keeps what is remembered of users whose hash stayed', async () => {
  const [ana, bob, carol] = [user('ana', 'secret'), user('bob', 'other'), user('carol', 'third')]
  const { users, login } = usersWithClock([ana, bob, carol])
  for (const [username, password] of [['ana', 'secret'], ['bob', 'other'], ['carol', 'third']] as const) await login(username, password)
  assert.deepEqual(users.update([user('dora', 'fourth'), user('bob', 'changed'), ana]), ['bob', 'carol'])
  const again = login('ana', 'secret')
  assert.equal(users.checking, 0, 'remembered')
  assert.equal(await again, 'granted')
  assert.equal(await login('bob', 'other'), 'refused')
  assert.equal(await login('bob', 'changed'), 'granted')
  assert.equal(await login('carol', 'third'), 'refused')
  assert.equal(await login('dora', 'fourth'), 'granted')
})

test('a password that was right when its check began and is not when it ends is refused', async () => {
  const { users, login } = usersWithClock([user('ana', 'secret')])
  const attempt = login('ana', 'secret')
  users.update([])
  assert.equal(await attempt, 'refused')
})

test('the users to log in again are those who vanished or whose hash changed', () => {
  const record = (username: string, hash: string) => ({ username, hash })
  const before = [record('same', '1'), record('changed', '2'), record('gone', '3')]
  assert.deepEqual(changedUsers(before, [record('new', '9'), record('changed', '4'), record('same', '1')]), ['changed', 'gone'])
  assert.deepEqual(changedUsers(before, before), [])
})

test('an IPv6 client has a network of /64, and IPv4 in IPv6 is IPv4', () => {
  const networks: Record<string, string> = {
    '192.0.2.1': '192.0.2.1',
    '::ffff:192.0.2.1': '192.0.2.1',
    '::FFFF:192.0.2.1': '192.0.2.1',
    '2001:db8:1:2:3:4:5:6': '2001:db8:1:2::/64',
    '2001:0DB8:0001:0002::9': '2001:db8:1:2::/64',
    '2001:db8::9': '2001:db8:0:0::/64',
    '::1': '0:0:0:0::/64',
    '::': '0:0:0:0::/64',
    '1::': '1:0:0:0::/64',
    'fe80::1%eth0': 'fe80:0:0:0::/64',
    'some pipe': 'some pipe'
  }
  for (const [address, network] of Object.entries(networks)) assert.equal(networkOf(address), network, address)
  assert.equal(networkOf(undefined), 'unknown')
  assert.equal(networkOf('x'.repeat(1_000)).length, 64)
})

test('a slowed IPv6 client gains nothing by another address of its network', async () => {
  const { login, slowDown } = usersWithClock([user('ana', 'secret')])
  await slowDown('2001:db8:1:2::1')
  assert.equal(await login('ana', 'secret', '2001:db8:1:2:ffff::7'), 'slowed')
  assert.equal(await login('ana', 'secret', '2001:db8:1:3::1'), 'granted')
})

test('a table of failures that is full forgets the oldest', async () => {
  const { login, slowDown } = usersWithClock([user('ana', 'secret')], { waiting: 20_000 })
  await slowDown('192.0.2.1')
  await Promise.all(Array.from({ length: 10_000 }, (_, i) => login('nobody', 'same', `10.0.${i >> 8}.${i & 255}`)))
  assert.equal(await login('ana', 'secret', '192.0.2.1'), 'granted')
})

test('guesses at one user from forty addresses are slowed, and the user still gets in from where it always comes', async () => {
  const { users, login, clock } = usersWithClock([user('ana', 'secret'), user('bob', 'other')])
  assert.equal(await login('ana', 'secret', '198.51.100.7'), 'granted')
  const guess = async (round: number): Promise<string[]> => {
    const verdicts: string[] = []
    for (let i = 0; i < 40; i++) verdicts.push(await login('ana', `guess ${round} ${i}`, `192.0.2.${i}`))
    return verdicts
  }
  const looked: number[] = []
  for (let round = 0; round < 4; round++) looked.push((await guess(round)).filter(verdict => verdict !== 'slowed').length)
  assert.deepEqual(looked, [20, 0, 0, 0])
  // Whether it is right is told to nobody there.
  assert.equal(await login('ana', 'secret', '192.0.2.39'), 'slowed')
  assert.equal(await login('ana', 'secret', '198.51.100.7'), 'granted')
  assert.equal(await login('bob', 'other', '192.0.2.39'), 'granted')
  // One guess each time that the wait is over: 1 s, 2 s, 4 s … 30 s.
  let guesses = 0
  for (let second = 0; second < 600; second++) {
    clock.now += 1000
    guesses += (await guess(100 + second)).filter(verdict => verdict !== 'slowed').length
  }
  assert.ok(guesses <= 26, `${guesses} guesses in ten minutes`)
  assert.equal(await login('ana', 'secret', '198.51.100.7'), 'granted')
  assert.equal(users.checking, 0)
  // Nor is it locked out of a new address once the wait is over.
  clock.now += 30_000
  assert.equal(await login('ana', 'secret', '203.0.113.1'), 'granted')
})

test('names that somebody invents do not make guesses at a user forgotten', async () => {
  const { login } = usersWithClock([user('ana', 'secret')], { waiting: 50_000 })
  for (let i = 0; i < 20; i++) await login('ana', `guess ${i}`, `192.0.2.${i}`)
  await Promise.all(Array.from({ length: 10_001 }, (_, i) => login(`invented ${i}`, 'a', `10.0.${i >> 8}.${i & 255}`)))
  assert.equal(await login('ana', 'guess 21', '198.51.100.1'), 'slowed')
})

test('a hundred devices with one old password are one guess', async () => {
  const { login } = usersWithClock([user('ana', 'secret')])
  for (let i = 0; i < 100; i++) assert.equal(await login('ana', 'old', `192.0.2.${i}`), 'refused')
  assert.equal(await login('ana', 'secret', '198.51.100.1'), 'granted')
})

test('an unknown user is slowed as a known one is', async () => {
  const verdictsFor = async (name: string): Promise<string[]> => {
    const { login } = usersWithClock([user('ana', 'secret')])
    const verdicts: string[] = []
    for (let i = 0; i < 40; i++) verdicts.push(await login(name, `guess ${i}`, `192.0.2.${i}`))
    return verdicts
  }
  assert.deepEqual(await verdictsFor('nobody'), await verdictsFor('ana'))
})

test('one user\'s many addresses push out none of another\'s', async () => {
  const { login, slowDown } = usersWithClock([user('ana', 'secret'), user('bob', 'other')])
  assert.equal(await login('ana', 'secret', '198.51.100.7'), 'granted')
  for (let i = 0; i <= 10_000; i++) await login('bob', 'other', `10.0.${i >> 8}.${i & 255}`)
  await slowDown('198.51.100.7')
  assert.equal(await login('ana', 'secret', '198.51.100.7'), 'granted')
})

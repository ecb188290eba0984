import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { pbkdf2Sync, scryptSync } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { hashPassword, parsePasswordFile, verifyPassword } from '../../../../lib/broker/access/passwords.ts'
import { temporaryFolder } from '../../../helpers/folder.ts'
import { skipped } from '../../../helpers/node-red.ts'

/** Made by mosquitto_passwd 2.0.11; the last by 2.1.2, with its longer salt. */
const vectors = [
  ['secret', '$7$101$u+apP0OTVVw8L3la$SZmAivzLJNdmZU5dIhimgHtOkwYCZJqkTYDO6WTS93PGswAPiRwnXMFOTGJcv+V4N3lPjeXKQxB398oLZCERyQ=='],
  ['pässwörd €', '$7$101$P15IFJ9JYbDfD1lf$iTThu5s7wY5ccdTMSTlYwIiMZhdxNG49eDSCmmq0eSeEilD/BT6JVw9wawmZTOWy2X924yon0nf49N/J5hpa7w=='],
  ['a:b$c d', '$7$101$XOjFYhaadsO1exmS$VHFFeoa+vu4y7CaB4+cITchYTrhEx6Cbj4cjrdH/VPw3+qlj/zosl8XwPDoPC6jx49NjCz6xfWRUKNlrQ0uBVg=='],
  ['secret', '$7$1000$P/c1O27zm8Uau6DH$52hBiyZa1za0uUwMA3CvEeyhRlwSr8BdQ9RVKYMQiGGlwzMoJotjT9iOJ1Eh8VvMuGiNJbO2LqeFITlLEdXxwg=='],
  ['secret', '$6$M2fxKx5vBUELZaXi$/0c2HPghUhHdZ7BxYQ36N73JzcXjDymCelR6P8H7sxfXWil6Nsdv/ndyqzdbDWeOmEEV21LLXq7ofafhjaijeg=='],
  ['pässwörd €', '$6$0LHSEAN7zYrA7NKp$X/fNyDDhy+vjqZWB6TI6bAdhnRKLQk4lqYLWoGRx3m0qD7ERtPLN4wTWC+JMqWbaKxClNi3HLa/rD0lnbREj9g=='],
  ['a:b$c d', '$6$SdEyryEuZKa0umk8$QUr41h0MU/lKT5WdZGCLuI6OsZy1EndyIx5B1ycwhkDVoIXukuw5arQB7VMD1VsASfI2PWekMZk4ZJIY+iLx4w=='],
  ['password', '$7$1000$uKtJR1y2kI+tdzwxyMdaN1R3XfHauE742GUjuVZZGSifRdHMz2HBUWNb4bcaFJt8vFV47nH6dXIW1B8M7gVY1A==$' +
    'n/lxUluMJMoxxnBdUW7vn7Dx93iO0tsAOlzcmvPuDLfqohObyzDg2P2yiIBtYYrPNR30bm7yCfBcLXjhxQc3dA==']
] as const
const [, hash] = vectors[0]

test('a password is verified against its hash, and no other is', async () => {
  const made = await hashPassword('pässwörd')
  assert.match(made, /^\$scrypt\$ln=14,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/)
  assert.equal(await verifyPassword(Buffer.from('pässwörd'), made), true)
  assert.equal(await verifyPassword(Buffer.from('passwörd'), made), false)
  assert.equal(await verifyPassword(Buffer.alloc(0), made), false)
})

test('each hash has a salt of its own', async () => {
  assert.notEqual(await hashPassword('same'), await hashPassword('same'))
})

test('the hash is scrypt as others compute it', async () => {
  const [, , , salt = '', key] = (await hashPassword('secret')).split('$')
  const expected = scryptSync('secret', Buffer.from(salt, 'base64'), 32, { N: 16_384, r: 8, p: 1 })
  assert.equal(`${key}=`, expected.toString('base64'))
})

test('hashes of mosquitto_passwd verify', async () => {
  for (const [password, hash] of vectors) {
    assert.equal(await verifyPassword(Buffer.from(password), hash), true, hash)
    assert.equal(await verifyPassword(Buffer.from(`${password}!`), hash), false, hash)
  }
})

test('passwords are bytes, not text', async () => {
  const password = Buffer.from([0xff, 0x00, 0xfe])
  const salt = Buffer.alloc(12, 7)
  const key = pbkdf2Sync(password, salt, 101, 64, 'sha512')
  const hash = `$7$101$${salt.toString('base64')}$${key.toString('base64')}`
  assert.equal(await verifyPassword(password, hash), true)
  assert.equal(await verifyPassword(Buffer.from([0xfe, 0x00, 0xff]), hash), false, 'both would be the same text')
  assert.equal(await verifyPassword(Buffer.from([0xff]), hash), false, 'NUL does not end a password')
})

const key64 = 'A'.repeat(86)
const refusedHashes = {
  'an empty text': '',
  'a plain password': 'secret',
  'a kind nobody knows': `$9$AAAA$${key64}`,
  'no key': '$7$101$AAAA$',
  'an empty key': '$scrypt$ln=4,r=8,p=1$AAAA$',
  'a key of few bytes, though right': `$scrypt$ln=4,r=8,p=1$${btoa('salt')}$${scryptSync('secret', 'salt', 9, { N: 16 }).toString('base64')}`,
  'a key that is no base64': '$6$AAAA$!!!!',
  'one field too many': `${hash}$AAAA`,
  'a short key': '$7$101$AAAA$AAAA',
  'no iterations': `$7$0$AAAA$${key64}`,
  'iterations below zero': `$7$-5$AAAA$${key64}`,
  'iterations that take for ever': `$7$999999999999$AAAA$${key64}`,
  'an N that needs terabytes': `$scrypt$ln=30,r=8,p=1$AAAA$${key64}`,
  'an N past all numbers': `$scrypt$ln=999,r=8,p=1$AAAA$${key64}`,
  'an r that needs gigabytes': `$scrypt$ln=14,r=999999999,p=1$AAAA$${key64}`,
  'a p that takes a minute': `$scrypt$ln=14,r=8,p=1000$AAAA$${key64}`,
  'a p that takes for ever': `$scrypt$ln=14,r=8,p=999999999$AAAA$${key64}`,
  'no N at all': `$scrypt$ln=0,r=8,p=1$AAAA$${key64}`,
  'an N that OpenSSL refuses for this r': `$scrypt$ln=17,r=1,p=1$AAAA$${key64}`,
  'parameters in disorder': `$scrypt$r=8,ln=14,p=1$AAAA$${key64}`
}

for (const [name, hash] of Object.entries(refusedHashes)) {
  test(`a hash with ${name} matches nothing, at once and without an error`, async () => {
    const started = performance.now()
    assert.equal(await verifyPassword(Buffer.from('secret'), hash), false)
    assert.ok(performance.now() - started < 1_000)
  })
}

test('the costliest hash that is taken is the one usually recommended', async () => {
  const key = scryptSync('secret', 'salt', 32, { N: 2 ** 17, r: 8, p: 1, maxmem: 2 ** 28 })
  assert.equal(await verifyPassword(Buffer.from('secret'), `$scrypt$ln=17,r=8,p=1$${btoa('salt')}$${key.toString('base64')}`), true)
})

test('a password file is read as Mosquitto does', () => {
  const [[, first], [, second]] = vectors
  const lines = ['# users', '', '   ', `ana:${first}`, `  bob : ${second} `, `  #carol:${first}`, `dora:${first}:more`]
  for (const end of ['\n', '\r\n']) {
    assert.deepEqual(parsePasswordFile(`\uFEFF${lines.join(end)}${end}`), {
      users: [{ username: 'ana', hash: first }, { username: 'bob', hash: second }, { username: '#carol', hash: first }, { username: 'dora', hash: first }],
      problems: []
    })
  }
  assert.deepEqual(parsePasswordFile(''), { users: [], problems: [] })
})

test('each line of a password file that gives no user is a problem, and no secret is quoted', () => {
  const lines = ['ana:sEcr3t', 'bob:$ecr3t', 'carol:$ecr3t$more', 'dora:', 'sEcr3t', `:${hash}`, `eva:${hash.slice(0, -9)}`, '__proto__:sEcr3t',
    `finn:$7$9999999$AAAA$${key64}`, 'gil:$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaA']
  const { users, problems } = parsePasswordFile(lines.join('\n'))
  assert.deepEqual(users, [])
  assert.deepEqual(problems.map(({ line }) => line), lines.map((_, index) => index + 1))
  const expected = [/"ana" is plain text: .*mosquitto_passwd -U/, /"bob" is plain text/, /"carol" is hashed in a way that is not supported/, /"dora" has no password/,
    /not "username:hash"/, /no username/, /"eva" has a damaged hash/, /"__proto__" is plain text/, /"finn" has a hash that would take too long/, /"gil" .* not supported/]
  for (const [index, pattern] of expected.entries()) assert.match(problems[index]?.text ?? '', pattern)
  assert.deepEqual(problems.map(({ problem, username }) => [problem, username]), [
    ['passwordPlain', 'ana'], ['passwordPlain', 'bob'], ['hashUnknown', 'carol'], ['passwordMissing', 'dora'], ['lineUnknown', ''], ['userMissing', ''],
    ['hashDamaged', 'eva'], ['passwordPlain', '__proto__'], ['hashExpensive', 'finn'], ['hashUnknown', 'gil']
  ])
  assert.doesNotMatch(JSON.stringify(problems), /ecr3t/)
})

test('of a repeated username the last line counts, as in Mosquitto, and it is a problem', () => {
  const [[, first], [, second]] = vectors
  const { users, problems } = parsePasswordFile(`ana:${first}\nana:${second}\n`)
  assert.deepEqual(users, [{ username: 'ana', hash: second }])
  assert.deepEqual(problems.map(({ line, problem, username }) => [line, problem, username]), [[2, 'userRepeated', 'ana']])
  assert.match(problems[0]?.text ?? '', /"ana" is repeated: the last line counts/)
})

function skipWithoutMosquitto (): string | false {
  if (spawnSync('mosquitto_passwd', ['--help']).error === undefined) return false
  return skipped('mosquitto_passwd is not here: install Mosquitto.')
}

for (const kind of ['sha512-pbkdf2', 'sha512']) {
  test(`a file that mosquitto_passwd writes with ${kind} lets its users in`, { skip: skipWithoutMosquitto() }, async t => {
    const file = join(await temporaryFolder(t), 'passwords')
    await writeFile(file, '', { mode: 0o600 })
    const passwords = { ana: 'secret', bob: 'pässwörd €', 'carol d': 'a:b$c d' }
    for (const [username, password] of Object.entries(passwords)) execFileSync('mosquitto_passwd', ['-H', kind, '-b', file, username, password])
    const { users, problems } = parsePasswordFile(await readFile(file, 'utf8'))
    assert.deepEqual(problems, [])
    assert.deepEqual(users.map(({ username }) => username), Object.keys(passwords))
    for (const { username, hash } of users) {
      assert.equal(await verifyPassword(Buffer.from(passwords[username as keyof typeof passwords]), hash), true)
      assert.equal(await verifyPassword(Buffer.from('wrong'), hash), false)
    }
  })
}

test('a plain file lets its users in after mosquitto_passwd -U', { skip: skipWithoutMosquitto() }, async t => {
  const file = join(await temporaryFolder(t), 'passwords')
  await writeFile(file, 'ana:secret\nbob:other\n', { mode: 0o600 })
  assert.equal(parsePasswordFile(await readFile(file, 'utf8')).problems.length, 2)
  execFileSync('mosquitto_passwd', ['-U', file])
  const { users, problems } = parsePasswordFile(await readFile(file, 'utf8'))
  assert.deepEqual(problems, [])
  assert.equal(await verifyPassword(Buffer.from('other'), users.find(({ username }) => username === 'bob')?.hash ?? ''), true)
})

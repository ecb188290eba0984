import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Board, boardLimits } from '../../../lib/terminal/board.ts'
import { frame as styledFrame, type Around, type Place } from '../../../lib/terminal/frame.ts'
import { showSpan, showValue } from '../../../lib/terminal/numbers.ts'
import { widthOf } from '../../../lib/terminal/plain.ts'
import { sparkline } from '../../../lib/terminal/sparkline.ts'
import { languages, textsIn, type Language } from '../../../lib/terminal/texts/texts.ts'

const around = (language: Language = 'en', more: Partial<Around> = {}): Around => ({
  address: 'mqtt://127.0.0.1:8083', link: 'connected', isLinked: true, rate: 12, now: 60_000, texts: textsIn(language), language, colours: false, ...more
})
/** As it is read: without its styles. */
const frame = (...given: Parameters<typeof styledFrame>): string[] => styledFrame(...given).map(line => line.replace(/\x1b\[\d+m/g, ''))
const atTop = (): Place => ({ chosen: 0, top: 0, opened: undefined, line: 0 })

function boardWith (agents: number, metrics: number): Board {
  const board = new Board()
  for (let i = 0; i < agents; i++) {
    board.message({ agent: { uuid: `uuid-${i}`, name: `agent ${String(i).padStart(5, '0')}` }, timestamp: 1, metrics: Array.from({ length: metrics }, (_, j) => ({ type: `metric ${j}`, value: i + j })) }, 50_000)
  }
  return board
}

test('agents stand by name, with their metrics, and how long ago they spoke', () => {
  const board = new Board()
  for (const value of [1, 2, 3]) board.message({ agent: { uuid: 'u1', name: 'roof', hostname: 'pi' }, timestamp: 1, metrics: [{ type: 'cpuLoad', value }, { type: 'door', value: 'open' }, { type: 'on', value: true }] }, 55_000)
  board.connected({ agent: { uuid: 'u2', name: 'cellar' } }, 60_000)
  board.disconnected({ agent: { uuid: 'u2' } }, 60_000)
  assert.deepEqual(frame(board, atTop(), { columns: 100, rows: 10 }, around()).map(line => line.trimEnd()), [
    `Platziverse  mqtt://127.0.0.1:8083  connected${' '.repeat(17)}2 agents · 1 connected · 12 messages/s`,
    '',
    `○ cellar  u2${' '.repeat(81)}0 s ago`,
    '  no metrics yet',
    `● roof  pi  u1${' '.repeat(79)}5 s ago`,
    '  cpuLoad                  3 ▁▅█        door             open',
    '  on                    true ▄▄▄',
    '', '',
    '↑↓ choose · Enter all metrics · q quit'
  ])
})

test('without colours the chosen agent is still told from the others', () => {
  const place = { ...atTop(), chosen: 1 }
  const lines = (colours: boolean): string[] => styledFrame(boardWith(2, 1), place, { columns: 80, rows: 10 }, around('en', { colours }))
  assert.match(lines(false).find(line => line.includes('agent 00001')) ?? '', /^● \x1b\[7magent 00001\x1b\[0m/)
  assert.doesNotMatch(lines(false).join(''), /\x1b\[3\dm/)
  assert.match(lines(true).join(''), /\x1b\[32m●/)
})

test('where there is no room for all of the first line, the address goes first, and the counts then', () => {
  const first = (columns: number): string => frame(boardWith(2, 1), atTop(), { columns, rows: 10 }, around())[0] ?? ''
  assert.equal(first(90), `Platziverse  mqtt://127.0.0.1:8083  connected${' '.repeat(7)}2 agents · 2 connected · 12 messages/s`)
  assert.equal(first(70), `Platziverse  connected${' '.repeat(10)}2 agents · 2 connected · 12 messages/s`)
  assert.equal(first(50), 'Platziverse  connected')
})

test('an agent of which only the retained state is known stands there without a time, until it speaks', () => {
  const board = new Board()
  board.remembered('u1', true, 60_000)
  board.remembered('u2', false, 60_000)
  const lines = (): string[] => frame(board, atTop(), { columns: 80, rows: 10 }, around()).map(line => line.trimEnd()).slice(2, 6)
  assert.deepEqual(lines(), ['● u1', '  no metrics yet', '○ u2', '  no metrics yet'])
  board.connected({ agent: { uuid: 'u2', name: 'roof' } }, 60_000)
  board.remembered('u2', false, 60_000)
  assert.match(lines()[2] ?? '', /^● roof  u2 +0 s ago$/)
})

// https://github.com/Koenkk/zigbee2mqtt/issues/3740: who was away does not learn which devices went meanwhile.
test('an agent that went while nobody heard it is gone once the broker is there again, and one that spoke since is not', () => {
  const board = new Board()
  for (const uuid of ['u1', 'u2']) board.connected({ agent: { uuid } }, 50_000)
  board.linked(55_000)
  board.connected({ agent: { uuid: 'u2' } }, 56_000)
  for (const uuid of ['u1', 'u2']) board.remembered(uuid, false, 57_000)
  assert.deepEqual(board.agents.map(({ uuid, connected }) => [uuid, connected]), [['u1', false], ['u2', true]])
})

test('an agent that was forgotten goes, and is there again with its next message', () => {
  const board = boardWith(2, 1)
  const place = { ...atTop(), chosen: 1, opened: board.agents[1] }
  board.forget('uuid-1')
  board.forget('nobody')
  assert.deepEqual(board.agents.map(({ uuid }) => uuid), ['uuid-0'])
  assert.match(frame(board, place, { columns: 80, rows: 10 }, around()).join('\n'), /1 agent · [^]+agent 00000/)
  assert.deepEqual([place.opened, place.chosen], [undefined, 0])
  board.connected({ agent: { uuid: 'uuid-1' } }, 60_000)
  assert.equal(board.agents.length, 2)
})

test('an agent that may be forgotten goes once its state is no longer retained, or after a day of silence', () => {
  const [hour, day] = [3_600_000, 86_400_000]
  const board = new Board()
  const uuids = (now: number): string[] => {
    board.tidy(now)
    return board.agents.map(({ uuid }) => uuid)
  }
  board.linked(1_000)
  for (const uuid of ['kept', 'cleared']) board.remembered(uuid, false, 2_000)
  for (const uuid of ['quiet', 'gone', 'late', 'lost', 'told']) board.connected({ agent: { uuid } }, 2_000)
  board.remembered('told', true, 2_000)
  for (const uuid of ['gone', 'told']) board.disconnected({ agent: { uuid } }, 3_000)
  assert.deepEqual(uuids(day), ['cleared', 'gone', 'kept', 'late', 'lost', 'quiet', 'told'])
  board.disconnected({ agent: { uuid: 'late' } }, day)
  assert.deepEqual(uuids(day + hour), ['cleared', 'kept', 'late', 'lost', 'quiet', 'told'], 'one is connected, one went just now, three have a state')

  // The link broke, and the broker tells what it retains.
  board.linked(day + hour)
  assert.equal(uuids(day + hour + 5_000).length, 6)
  for (const uuid of ['kept', 'told']) board.remembered(uuid, false, day + hour + 6_000)
  board.connected({ agent: { uuid: 'quiet' } }, day + hour + 7_000)
  assert.deepEqual(uuids(day + hour + 11_000), ['kept', 'late', 'lost', 'quiet', 'told'])
  assert.deepEqual(uuids(3 * day), ['kept', 'quiet', 'told'], 'of the one that was connected before, nobody heard since')
})

test('every line fits, in every size and language, whatever the names are', () => {
  const board = boardWith(30, 70)
  board.message({ agent: { uuid: '\x1b[2J', name: '\u202E台所🚪\x1b]0;x\x07'.repeat(8), hostname: '\r\n'.repeat(30) }, timestamp: 1, metrics: [{ type: '\x9b31m\b\b', value: '\x1b[31mred' }, { type: 'n', value: 1e300 }, { type: 'm', value: -5e-324 }] }, 0)
  for (const language of languages) {
    for (const columns of [20, 44, 60, 80, 122, 123, 200, 300]) {
      for (const rows of [1, 5, 6, 24, 60]) {
        for (const opened of [undefined, board.agents[0], board.agents[5]]) {
          const place = { ...atTop(), chosen: 999, line: 999, opened }
          const lines = frame(board, place, { columns, rows }, around(language))
          assert.equal(lines.length, rows)
          for (const line of lines) {
            assert.ok(widthOf(line) <= columns, `${widthOf(line)} columns of ${columns}: ${line}`)
            assert.doesNotMatch(line, /[\p{C}\p{Zl}\p{Zp}]/u)
          }
        }
      }
    }
  }
})

test('the chosen agent is always seen whole', () => {
  const board = boardWith(200, 5)
  const place = atTop()
  for (const chosen of [0, 1, 2, 50, 49, 48, 199, 0, 120]) {
    place.chosen = chosen
    const lines = frame(board, place, { columns: 80, rows: 24 }, around())
    const at = lines.findIndex(line => line.includes(`agent ${String(chosen).padStart(5, '0')}`))
    assert.ok(at >= 2 && at + 3 < 23, `agent ${chosen} at line ${at}`)
  }
})

test('more metrics than there is room for are counted, and all are there in the opened agent', () => {
  const board = boardWith(1, 70)
  assert.ok(frame(board, atTop(), { columns: 80, rows: 24 }, around()).some(line => line.includes('… 65 more')))
  const place = { ...atTop(), opened: board.agents[0], line: 999 }
  const lines = frame(board, place, { columns: 80, rows: 24 }, around())
  assert.ok(lines.some(line => line.includes('metric 63 ')), lines.join('\n'))
  assert.ok(lines.some(line => line.includes('… 6 more')), lines.join('\n'))
})

test('ten thousand agents with fifty metrics each take bounded memory, and a picture of them little time', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const used = (): number => {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    return (heapUsed + external) / 1e6
  }
  const before = used()
  const board = new Board()
  const metrics = Array.from({ length: 50 }, (_, j) => ({ type: `metric-${j}`, value: 1 }))
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 12_000; i++) {
      for (const metric of metrics) metric.value = Math.random()
      board.message(JSON.parse(JSON.stringify({ agent: { uuid: `uuid-${i}`, name: `agent ${i}` }, timestamp: 1, metrics })), 0)
    }
  }
  assert.equal(board.agents.length, boardLimits.agents)
  const megabytes = used() - before
  assert.ok(megabytes < 150, `${megabytes} MB`)
  const place = { ...atTop(), chosen: 9_999 }
  frame(board, place, { columns: 200, rows: 60 }, around())
  const begun = performance.now()
  for (let i = 0; i < 10; i++) frame(board, place, { columns: 200, rows: 60 }, around())
  assert.ok((performance.now() - begun) / 10 < 100, `${(performance.now() - begun) / 10} ms`)
})

test('an agent with metrics of ever new types keeps as many as it may', () => {
  const board = new Board()
  for (let i = 0; i < 2_000; i++) board.message({ agent: { uuid: 'u' }, timestamp: 1, metrics: [{ type: `t${i}`.repeat(20), value: 'x'.repeat(1000) }] }, 0)
  assert.equal(board.agents[0]?.size, boardLimits.typesOfAgent)
  assert.ok(board.agents[0].metrics().every(({ type, value }) => type.length <= boardLimits.textLength && String(value).length <= boardLimits.textLength))
})

test('a line of blocks goes from the lowest number to the highest', () => {
  assert.equal(sparkline([0, 1, 2, 3, 4, 5, 6, 7]), '▁▂▃▄▅▆▇█')
  assert.equal(sparkline([5, 5, 5]), '▄▄▄')
  assert.equal(sparkline([]), '')
  assert.equal(sparkline([1, Number.NaN, 2]), '▁ █')
})

test('numbers are shown to be read', () => {
  const shown = [0, 21.456, 0.1234, 99_999, 1_523_412_992, -2e6, 1e300, 1e-9, 2 ** 53].map(value => showValue(value, 'en'))
  assert.deepEqual(shown, ['0', '21.46', '0.123', '99999', '1.52 G', '-2 M', '1.00e+300', '1.00e-9', '9.01 P'])
  assert.equal(showValue(21.456, 'es'), '21,46')
  assert.equal(showValue('a\nb', 'en'), 'a\uFFFDb')
  assert.deepEqual([500, 5_000, 119_000, 180_000, 7.5e6, 1e9].map(ms => showSpan(ms, 'en')), ['0.5 s', '5 s', '119 s', '3 min', '2 h', '11 d'])
})

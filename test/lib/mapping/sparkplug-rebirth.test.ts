import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { rebirthCommand } from '../../../lib/mapping/formats/sparkplug/command.ts'
import { reorderTimeout, Sequence } from '../../../lib/mapping/formats/sparkplug/sequence.ts'
import { sparkplug } from '../../../lib/mapping/formats/sparkplug.ts'
import type { Asked, Read } from '../../../lib/mapping/reading.ts'
import type { TopicRule } from '../../../lib/mapping/topic-rule.ts'
import { decode, encode } from '../../fixtures/devices/sparkplug.ts'

type Payload = Parameters<typeof encode>[0]
const at = 1_772_355_600_000

/** Reads what comes `after` ms after the start. */
function plant (rule: Partial<TopicRule> = {}): (topic: string, payload: Payload, after?: number) => Read {
  const read = sparkplug({ topic: 'spBv1.0/{group}/+/{node}/#', format: 'sparkplug', ...rule })
  return (topic, payload, after = 0) => {
    const [, group = '', , node = ''] = topic.split('/')
    return read({ topic, payload: encode(payload), names: { group, node }, receivedAt: at + after })
  }
}

const topicOf = (asks: Asked | undefined): string | undefined => asks?.topic
const birth = (seq: number, timestamp = at): Payload => ({ timestamp, seq, metrics: [{ name: 'bdSeq', type: 'UInt64', value: 1 }, { name: 't', alias: 1, type: 'Int32', value: 1 }] })
const data = (seq: number, timestamp = at, alias = 1): Payload => ({ timestamp, seq, metrics: [{ alias, type: 'Int32', value: 2 }] })

describe('a birth of Sparkplug B is asked for', () => {
  test('by the command of the specification', () => {
    fc.assert(fc.property(fc.oneof(fc.constantFrom(0, 127, 128, 2 ** 31, at), fc.maxSafeNat()), time => {
      assert.deepEqual(decode(rebirthCommand(time)), { timestamp: time, metrics: [{ name: 'Node Control/Rebirth', timestamp: time, type: 'Boolean', value: true }] })
    }))
  })

  test('when data name what no birth named, of the node, whichever device it is', () => {
    const read = plant()
    const asked = ['spBv1.0/g/NDATA/n', 'spBv1.0/g/DDATA/n/d'].map(topic => read(topic, data(7)))
    assert.deepEqual(asked.map(({ ok, asks }) => [ok, topicOf(asks), asks?.agent]), Array.from({ length: 2 }, () => [false, 'spBv1.0/g/NCMD/n', { uuid: 'g:n' }]))
    assert.deepEqual(decode(asked[0]?.asks?.payload ?? assert.fail()), decode(rebirthCommand(at)))
    assert.equal(topicOf(plant({ topic: 'site/spBv1.0/{group}/+/{node}/#' })('site/spBv1.0/g/NDATA/n', data(7)).asks), 'site/spBv1.0/g/NCMD/n')
  })

  test('when only a birth could say which number it is: -1 and 4294967295 are written alike', () => {
    const read = sparkplug({ topic: 'spBv1.0/{group}/+/{node}/#', format: 'sparkplug' })
    const payload = Buffer.from([0x12, 8, 0x0A, 1, 0x78, 0x50, 0xFF, 0xFF, 0xFF, 0x0F])
    const result = read({ topic: 'spBv1.0/g/NDATA/n', payload, names: { group: 'g', node: 'n' }, receivedAt: at })
    assert.deepEqual([result.ok || `${result.reason} ${result.detail}`, topicOf(result.asks)], ['BIRTH_UNKNOWN No birth of "g/n" that was seen since the start gave "x" a data type: its node is asked for one on "spBv1.0/g/NCMD/n".', 'spBv1.0/g/NCMD/n'])
    // A float says what it is.
    assert.equal(read({ topic: 'spBv1.0/g/NDATA/n', payload: Buffer.from([0x12, 8, 0x0A, 1, 0x78, 0x65, 0, 0, 0x80, 0x3F]), names: { group: 'g', node: 'n' }, receivedAt: at }).ok, true)
  })

  test('not for what can be read without, nor because of commands, births and deaths', () => {
    const read = plant()
    const named: Payload = { timestamp: at, seq: 9, metrics: [{ name: 't', type: 'Int32', value: 1 }] }
    for (const topic of ['NDATA/n', 'NBIRTH/n', 'NDEATH/n', 'DBIRTH/n/d', 'DDATA/n/d', 'DDEATH/n/d', 'NCMD/n']) assert.equal(read(`spBv1.0/g/${topic}`, named).asks, undefined, topic)
  })

  test('when a number is missing among those of the node\'s messages, and what came is stored all the same', () => {
    const read = plant()
    read('spBv1.0/g/NBIRTH/n', birth(0))
    read('spBv1.0/g/DBIRTH/n/d', birth(1))
    const later = (topic: string, seq: number, after: number): Read => read(`spBv1.0/g/${topic}`, data(seq, at + after), after)
    assert.equal(later('DDATA/n/d', 2, 10).asks, undefined)
    // 3 is missing, and may be on its way.
    assert.equal(later('NDATA/n', 4, 20).asks, undefined)
    assert.equal(later('DDATA/n/d', 5, 20 + reorderTimeout - 1).asks, undefined)
    const asked = later('NDATA/n', 6, 20 + reorderTimeout)
    assert.deepEqual([asked.ok && asked.readings.length, topicOf(asked.asks)], [1, 'spBv1.0/g/NCMD/n'])
    assert.equal(later('NDATA/n', 7, 20_000).asks, undefined, 'once for each gap')
    read('spBv1.0/g/NBIRTH/n', birth(0, at + 30_000), 30_000)
    assert.equal(later('NDATA/n', 1, 60_000).asks, undefined, 'a birth begins anew')
  })
})

describe('the numbers of a node\'s messages', () => {
  /** Whether a gap shows in the end. Each message comes `every` ms after the one before. */
  const gapIn = (seqs: number[], every = reorderTimeout, timestampOf = (i: number): number | undefined => i): boolean => {
    const sequence = new Sequence(0, 0)
    return seqs.map((seq, i) => sequence.hasGap(seq, timestampOf(i + 1), i * every)).includes(true)
  }

  test('go round', () => {
    assert.equal(gapIn(Array.from({ length: 1_000 }, (_, i) => (i + 1) % 256)), false)
    assert.equal(gapIn([...Array.from({ length: 255 }, (_, i) => i + 1), 1, 2]), true, '0 is missing')
  })

  test('may come in another order for a while', () => {
    assert.equal(gapIn([1, 3, 2, 4], 1_000), false)
    assert.equal(gapIn([1, 4, 3, 2, 5, 6, 7, 8, 9, 10], 1_000), false)
    assert.equal(gapIn([1, 4, 3, 5, 6, 7, 8, 9, 10], 1_000), true)
  })

  test('may come again', () => {
    const sequence = new Sequence(0, 0)
    const times = [[1, 1], [2, 2], [3, 2], [1, 1], [3, 2], [2, 2], [4, 3], [5, 4]] as const
    assert.deepEqual(times.map(([seq, time], i) => sequence.hasGap(seq, time, i * reorderTimeout)), times.map(() => false))
  })

  test('of a node that was born unseen do not fit', () => {
    assert.equal(gapIn([1, 2, 3, 0, 1, 2]), true)
    assert.equal(gapIn([1, 2, 3, 1, 2]), true)
  })

  test('may be missing, or nonsense', () => {
    const sequence = new Sequence(0)
    assert.deepEqual([undefined, 256, 1e18, undefined, 1].map((seq, i) => sequence.hasGap(seq, i, i * reorderTimeout)), [false, false, false, false, false])
  })
})

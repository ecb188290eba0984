import fc, { type Arbitrary } from 'fast-check'
import type { SavedNode } from '../helpers/old-flows.ts'
import { anything, texts } from './json.ts'

/** The environment that `${…}` in properties refers to. */
export const environment = { FUZZ_EMPTY: '', FUZZ_TEXT: 'text', FUZZ_NUMBER: '7', FUZZ_TRUE: 'true', FUZZ_FALSE: 'false', FUZZ_LONG: 'x'.repeat(10_000) }

const values: Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown[]>(undefined, null, '', ' ', 0, -0, -1, 1, 0.5, 1e9, 1e308, Number.MAX_SAFE_INTEGER, true, false, 'true', 'false', '0', '-1', '1e3', '0x10', '1,5', 'NaN', [], {}, [null], [[]], [{}], { toString: 1, valueOf: 1 }, 'x'.repeat(10_000), '\0', '__proto__'),
  fc.constantFrom(...Object.keys(environment), 'FUZZ_MISSING').map(name => `\${${name}}`),
  fc.constantFrom('mqtt://127.0.0.1:1', 'mqtts://', 'http://x', '//', 'ws://[', '127.0.0.1', '0.0.0.0', '::', 'sqlite', 'mysql', 'postgresql', 'disk', 'flow', 'url', 'https://a.example', 'avg', '1h', '-24h', '2'),
  texts,
  anything.map(({ value }) => value)
)

/** Where a value would reach beyond the test: a port somebody has, a host elsewhere, files of others. Those that are no text, or none of these, are tried all the same. */
const reaches: Record<string, unknown[]> = {
  port: ['0', 0, -1, 70_000, 'x', '0x0', 0.5, null, {}, [], [0], true, '${FUZZ_TEXT}', 'x'.repeat(10_000), { valueOf: 1 }],
  host: ['127.0.0.1', '', ' ', '::1', 5, null, {}, [], true, '${FUZZ_EMPTY}', 'x y', '\0', { trim: 1 }],
  filename: ['a.sqlite', '', 'b/', '.', 5, null, {}, [], true, '\0', 'x'.repeat(5_000), '${FUZZ_TEXT}'],
  folder: ['a', '', ' ', '.', 5, null, {}, [], true, '\0', 'x'.repeat(5_000), '${FUZZ_TEXT}'],
  url: ['', 'mqtt://127.0.0.1:1', 'ws://127.0.0.1:1/x', 'mqtt://', 'x', 5, null, {}, [], true, '\0', 'mqtts://[', '${FUZZ_TEXT}', 'mqtt://a:b@127.0.0.1:1', 'x'.repeat(10_000)]
}
/** What leads from node to node, or into the editor. */
const kept = new Set(['id', 'type', 'z', 'wires', 'd', 'x', 'y', 'g', 'l'])
/** References: mostly as they are, so that there is something behind them. */
const references = new Set(['broker', 'database'])

/** A saved value of the same kind, more or less. */
function changed (name: string, value: unknown): Arbitrary<unknown> {
  if (Object.hasOwn(reaches, name)) return fc.constantFrom(...reaches[name]!)
  if (Array.isArray(value) && value.length > 0) {
    const items = value.map(item => fc.oneof({ weight: 6, arbitrary: changed('', item) }, { weight: 4, arbitrary: fc.constant(item as unknown) }, values))
    return fc.oneof({ weight: 3, arbitrary: fc.tuple(...items) }, values)
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return fc.oneof({ weight: 3, arbitrary: withChanges(value as Record<string, unknown>) }, values)
  return values
}

/** Node-RED itself makes a text of each property, to see whether it is the id of a node. */
function isText (value: unknown): boolean {
  try {
    return typeof String(value) === 'string'
  } catch {
    return false
  }
}

/** The object with some of its properties changed, left out, or added to. */
export function withChanges<Saved extends Record<string, unknown>> (saved: Saved): Arbitrary<Saved> {
  const names = Object.keys(saved).filter(name => !kept.has(name))
  const changes = fc.subarray(names, { maxLength: Math.min(4, names.length) }).chain(chosen => fc.tuple(...chosen.map(name => {
    const other = changed(name, saved[name]).map(value => [name, value] as const)
    return references.has(name) ? fc.oneof({ weight: 9, arbitrary: fc.constant([name, saved[name]] as const) }, other) : other
  })))
  return changes.map(all => {
    // As JSON has it: a property without a value is not saved.
    const json = JSON.stringify({ ...saved, ...Object.fromEntries(all.filter(([, value]) => isText(value))) })
    // Node-RED itself calls the one of whatever it finds in properties, and loses the other.
    return JSON.parse(json, (name, value: unknown) => name === 'hasOwnProperty' || name === '__proto__' ? undefined : value) as Saved
  })
}

export function flowsOf (nodes: SavedNode[]): Arbitrary<SavedNode[]> {
  return fc.tuple(...nodes.map(node => fc.oneof({ weight: 3, arbitrary: withChanges(node) }, fc.constant(node))))
}

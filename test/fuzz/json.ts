import fc, { type Arbitrary } from 'fast-check'

/** A JSON text and the value that RFC 8259 and JavaScript give it: made together, so neither comes from the code that is tested. */
export interface Written { text: string, value: unknown }

const blank = fc.constantFrom('', '', '', '', ' ', '\n', '\t', '\r\n ')

/** A place in something, as a share of its length: any is as likely as any other, which fc.double does not give. */
export const share: Arbitrary<number> = fc.nat(999_999).map(part => part / 1_000_000)

/** Numbers as texts, at the limits of doubles and of what databases take. */
export const numbers: Arbitrary<Written> = fc.oneof(
  fc.constantFrom(
    '0', '-0', '-0.0', '0e5', '1e400', '-1e400', '1E+2', '1e-400', '5e-324', '2.2250738585072011e-308', '1.7976931348623157e308', '1.7976931348623159e308', '9007199254740993', '9007199254740991',
    '9223372036854775807', '18446744073709551616', '4294967296', '0.1', '0.30000000000000004', '1e21', '123456789012345678901234567890', '-1', `0.${'0'.repeat(400)}1`, `1${'0'.repeat(400)}`, `${'9'.repeat(300)}.5`, '8640000000000000', '8640000000000001'
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.integer().map(String)
).map(text => ({ text, value: Number(text) }))

const specialTexts = [
  '', ' ', '\0', 'a\0b', '\ud800', 'x\udfff', '\ufeff', '__proto__', 'constructor', 'toString', 'hasOwnProperty', 'NaN', '1e5', ' 12 ', '0x10', '1,5', 'null', '\u2028', '\u200b', '\u0000', '=1+1', "'; drop table metrics; --", '%s', '\\', '"', '?', ':a',
  '😀', '👩‍👩‍👧‍👦', 'e\u0301', 'é', 'ſ', 'K', 'İ', 'ß', '𝒳'.repeat(128), 'x'.repeat(128), 'x'.repeat(129), 'x'.repeat(255), '😀'.repeat(255), '😀'.repeat(256), '€'.repeat(341), '€'.repeat(342), 'a'.repeat(1024), 'a'.repeat(1025), '😀'.repeat(256), 'trailing ', ' leading', 'CASE', 'case',
  '/', '+', '#', '$SYS/x', 'a/b', '{uuid}', '2023-11-14T22:13:20Z', '-24h'
]

export const texts: Arbitrary<string> = fc.oneof(fc.constantFrom(...specialTexts), fc.string({ unit: 'binary', maxLength: 12 }), fc.string({ maxLength: 12 }))

/** A text as JSON, with more or fewer escapes. */
export function quoted (text: string): Arbitrary<Written> {
  return fc.boolean().map(escapes => ({ text: escapes ? `"${[...Array(text.length).keys()].map(i => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"` : JSON.stringify(text), value: text }))
}

export const strings: Arbitrary<Written> = texts.chain(quoted)
const words: Arbitrary<Written> = fc.constantFrom('true', 'false', 'null').map(text => ({ text, value: JSON.parse(text) as unknown }))
/** What C's printf writes for what is no number: taken as null. */
const notNumbers: Arbitrary<Written> = fc.constantFrom('NaN', '-nan', 'inf', '-Infinity', 'nan(ind)', '1.#QNAN').map(text => ({ text, value: null }))

export function array (items: Arbitrary<readonly Written[]>): Arbitrary<Written> {
  return fc.tuple(items, blank).map(([all, space]) => ({ text: `[${space}${all.map(({ text }) => text).join(`${space},`)}${space}]`, value: all.map(({ value }) => value) }))
}

/** Of several members of one name the last counts. */
export function object (members: Arbitrary<ReadonlyArray<readonly [name: string, value: Written]>>): Arbitrary<Written> {
  return fc.tuple(members, blank).map(([all, space]) => ({
    text: `{${space}${all.map(([name, { text }]) => `${JSON.stringify(name)}${space}:${text}`).join(`,${space}`)}}`,
    value: Object.fromEntries(all.map(([name, { value }]) => [name, value]))
  }))
}

const names = fc.oneof(fc.constantFrom('agent', 'uuid', 'metrics', 'type', 'value', 'timestamp', 'seq', '__proto__', 'constructor', 'toString', 'length', '', 'toJSON'), texts)

/** Anything. */
export const anything: Arbitrary<Written> = fc.letrec<{ any: Written }>(tie => ({
  any: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    words, numbers, strings, notNumbers,
    array(fc.array(tie('any'), { maxLength: 4 })),
    object(fc.array(fc.tuple(names, tie('any')), { maxLength: 4 }))
  )
})).any

/** Deep ones, up to beyond what is taken. */
export const deep: Arbitrary<Written> = fc.tuple(fc.constantFrom(10, 400, 520, 5_000), fc.boolean()).map(([levels, isArray]) => {
  const text = isArray ? `${'['.repeat(levels)}${']'.repeat(levels)}` : `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
  return { text, value: JSON.parse(text) as unknown }
})

/** Mostly what is wanted, so that what is odd is alone. */
const odd = (usual: Arbitrary<Written>): Arbitrary<Written> => fc.oneof({ weight: 30, arbitrary: usual }, anything)
const someWholes = fc.constantFrom('0', '-0', '7', '4194304', '4294967296', '9007199254740991', '1e3').map(text => ({ text, value: Number(text) }))
const wholes = odd(fc.oneof({ weight: 3, arbitrary: someWholes }, numbers))
const uuids = fc.oneof({ weight: 6, arbitrary: fc.constantFrom('a', 'A', 'b', 'á', '__proto__', 'constructor') }, texts).chain(quoted)
const types = fc.oneof({ weight: 4, arbitrary: fc.constantFrom('t', 'T', 't ', 'u', 'ü', '__proto__', 'value') }, texts).chain(quoted)

type Member = readonly [string, Written]
const member = (name: string, value: Arbitrary<Written>): Arbitrary<Member> => value.map(written => [name, written] as const)
const needed = (one: Arbitrary<Member>): Arbitrary<readonly Member[]> => fc.oneof({ weight: 30, arbitrary: one.map(it => [it]) }, fc.array(one, { maxLength: 2 }))
const maybe = (one: Arbitrary<Member>): Arbitrary<readonly Member[]> => fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 3, arbitrary: needed(one) })
/** Others beside those that the contract names, before or behind them. */
const stray = fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.array(fc.tuple(names, anything), { maxLength: 2 }))
const members = (...parts: Array<Arbitrary<readonly Member[]>>): Arbitrary<Written> => object(fc.tuple(stray, ...parts, stray).map(all => all.flat()))

const descriptions = ['username', 'name', 'hostname'].map(name => maybe(member(name, odd(strings))))
const agent = odd(members(needed(member('uuid', odd(uuids))), ...descriptions, maybe(member('pid', wholes))))
const values = fc.oneof({ weight: 3, arbitrary: numbers }, { weight: 2, arbitrary: strings }, words, anything)
const metric = odd(members(needed(member('type', odd(types))), needed(member('value', values))))
const many = fc.tuple(fc.constantFrom(9, 100, 1_000, 1_001), numbers).map(([count, value]) => Array.from({ length: count }, (_, i) => {
  return { text: `{"type":"t${i}","value":${value.text}}`, value: { type: `t${i}`, value: value.value } }
}))
const metrics = odd(array(fc.oneof({ weight: 12, arbitrary: fc.array(metric, { minLength: 1, maxLength: 5 }) }, many)))
const recent = fc.integer({ min: 0, max: 50 }).map(n => ({ text: String(1_700_000_000_000 + n), value: 1_700_000_000_000 + n }))
const times = fc.oneof(
  { weight: 6, arbitrary: recent },
  fc.constantFrom('1700000000000', '1700000000', '1700000000.5', '1.7e15', '1700000000000000000', '0', '-1', '1700000000000.9', '"2023-11-14T22:13:20Z"', '"2023-11-14"', '"2023-02-30"', '"2016-12-31T23:59:60Z"', '"1969-12-31"', '"now"').map(text => ({ text, value: JSON.parse(text) as unknown })),
  wholes
)

/** The payload of one of the three messages, more or less. */
export const payloads: Arbitrary<Written> = fc.oneof(
  { weight: 40, arbitrary: members(needed(member('agent', agent)), needed(member('metrics', metrics)), maybe(member('timestamp', times)), maybe(member('seq', wholes))) },
  { weight: 2, arbitrary: anything },
  { weight: 1, arbitrary: deep.chain(one => object(fc.constant([['agent', { text: '{"uuid":"a"}', value: { uuid: 'a' } }], ['metrics', { text: '[{"type":"t","value":1}]', value: [{ type: 't', value: 1 }] }], ['x', one]] as const))) }
)

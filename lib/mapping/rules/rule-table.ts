import { PlatziverseError, reasonOf } from '../../errors.ts'
import { show } from '../../messages/metrics.ts'
import { kindOf } from '../../messages/topics.ts'
import { TopicTree } from '../../mqtt/topic-tree.ts'
import { RecentMap } from '../../recent-map.ts'
import { checkedRule } from '../checked-rule.ts'
import { formats } from '../formats/formats.ts'
import type { Matched, PayloadReader, Read } from '../reading.ts'
import { invalid, parsePattern, type TopicPattern } from '../topic-pattern.ts'
import type { PayloadFormat, TopicRule } from '../topic-rule.ts'

interface Row { row: number, format: PayloadFormat, pattern: TopicPattern, reader: PayloadReader }

/** The row of a topic, and what its names stand for there. */
interface Found { row: Row, names: Matched['names'] }

/** Topics that are remembered, and how long each may be: devices publish on the same ones again and again, but choose them. */
const mostTopics = 10_000
const mostTopicLength = 128

/** Rows of "Other topics", ready to read. Of several rows that match a topic, the first one reads it. */
export class RuleTable {
  /** What is wrong with rows, which are left out. */
  readonly problems: readonly PlatziverseError[]
  /** The topic filters of the rows, in their order. */
  readonly filters: readonly string[]
  readonly #saved: string
  #hasRead = false
  readonly #tree = new TopicTree<Row>()
  readonly #topics = new RecentMap<Found | null>(mostTopics)
  /** The topic that was looked up last: whoever asks whether a row matches goes on to read it. */
  #lastTopic: string | undefined
  #last: Found | undefined

  /** @param rules as saved: anything may be wrong with them */
  constructor (rules: unknown) {
    this.#saved = JSON.stringify(rules)
    const problems: PlatziverseError[] = []
    const filters: string[] = []
    const list: unknown[] = Array.isArray(rules) ? rules : []
    list.forEach((rule, i) => {
      try {
        const compiled = compile(checkedRule(rule), i + 1)
        const other = this.#tree.get(compiled.pattern.filter)
        if (other !== undefined) throw invalid(`The topic ${show((rule as TopicRule).topic)} is the one of row ${other.row}, which reads it.`)
        this.#tree.set(compiled.pattern.filter, compiled)
        filters.push(compiled.pattern.filter)
      } catch (error) {
        problems.push(new PlatziverseError('TOPIC_RULE_INVALID', `Row ${i + 1}: ${error instanceof PlatziverseError ? error.detail : `${reasonOf(error)}.`}`, { cause: error }))
      }
    })
    this.problems = problems
    this.filters = filters
  }

  get isEmpty (): boolean { return this.#tree.size === 0 }

  /** Whether a row has read anything yet. */
  get hasRead (): boolean { return this.#hasRead }

  /** Whether another one was made of the same rows. */
  isSameAs (other: RuleTable | undefined): boolean {
    return other !== undefined && other.#saved === this.#saved
  }

  /** Whether a row matches. None matches the three topics of agents, nor, by a wildcard, those that begin with `$`, nor, by `{uuid}`, those of programs. */
  matches (topic: string): boolean {
    return this.#find(topic) !== undefined
  }

  /** Whether what is read of a topic is a state, which holds however long ago it was published: who is there. */
  readsState (topic: string): boolean {
    return this.#find(topic)?.row.format === 'presence'
  }

  /** Whether what is read of a topic is the same when it is read again: of Sparkplug B it is what births said before. */
  readsAlike (topic: string): boolean {
    return this.#find(topic)?.row.format !== 'sparkplug'
  }

  /** What a publication says; undefined: no row matches its topic. @param known what is known of it beside */
  read (topic: string, payload: Buffer, receivedAt: number, { user, text, weight }: Pick<Matched, 'user' | 'text' | 'weight'> = {}): Read | undefined {
    const found = this.#find(topic)
    this.#hasRead ||= found !== undefined
    return found?.row.reader({ topic, payload, text, weight, names: found.names, receivedAt, user })
  }

  #find (topic: string): Found | undefined {
    if (topic === this.#lastTopic) return this.#last
    let found = this.#topics.get(topic)
    if (found === undefined) {
      found = this.#lookUp(topic)
      if (topic.length <= mostTopicLength) this.#topics.set(topic, found)
    }
    this.#lastTopic = topic
    this.#last = found ?? undefined
    return this.#last
  }

  #lookUp (topic: string): Found | null {
    if (kindOf(topic) !== undefined) return null
    const rows = this.#tree.matchingFilters(topic).filter(({ pattern }) => pattern.hasAgent(topic))
    const [first, ...others] = rows
    if (first === undefined) return null
    const row = others.reduce((one, other) => other.row < one.row ? other : one, first)
    return { row, names: row.pattern.read(topic) }
  }
}

/** @throws PlatziverseError TOPIC_RULE_INVALID */
function compile (rule: TopicRule, row: number): Row {
  const pattern = parsePattern(rule.topic)
  if (!Object.hasOwn(formats, rule.format)) throw invalid(`There is no format ${show(rule.format)}.`)
  return { row, format: rule.format, pattern, reader: formats[rule.format](rule) }
}

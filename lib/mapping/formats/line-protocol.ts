import { show } from '../../messages/metrics.ts'

/** One line of InfluxDB's line protocol. */
export interface Point {
  measurement: string
  /** In the order of their keys, whatever order they were written in. */
  tags: Array<[key: string, value: string]>
  /** Without those that are no number: `NaN`, `+Inf`. */
  fields: Array<[key: string, value: number | boolean | string]>
  /** A whole number, as written; its unit is the sender's affair. */
  time: string | undefined
}

export type Points = { ok: true, points: Point[] } | { ok: false, reason: 'PAYLOAD_MALFORMED' | 'PAYLOAD_TOO_LARGE', detail: string }

const ends = '\r\n'
// A comma, a space and an equals sign may follow a backslash; other backslashes are themselves.
const name = /(?:[^\\, \r\n]+|\\[, =]?)+/y
const key = /(?:[^\\, =\r\n]+|\\[, =]?)+/y
const word = /[^, \r\n]+/y
const blanks = / +/y
const between = /[ \t\r\n]+/y
const comment = /#[^\r\n]*/y
const rest = /[^\r\n]+/y
// None of these tries the same characters twice.
const whole = /^[-+]?\d+[iu]$/
const decimal = /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?$/
const noNumber = /^[-+]?(?:nan|inf(?:inity)?)$/i
const time = /^-?\d{1,19}$/
const booleans = new Map([...['t', 'T', 'true', 'True', 'TRUE'].map(text => [text, true] as const), ...['f', 'F', 'false', 'False', 'FALSE'].map(text => [text, false] as const)])

class Malformed extends Error {}
class TooLarge extends Error {}

/**
 * The points of a text in InfluxDB's line protocol; comments and empty lines are skipped. One line that is malformed spoils them all: nobody
 * would notice that it is missing. Whole numbers are doubles here, so beyond 2^53 they are rounded: a counter in ns passes that after 104 days,
 * and a number that turned into a text would end its chart.
 * @param most tags and fields of all points together
 */
export function readPoints (text: string, most: number): Points {
  const reader = new LineReader(text, most)
  const points: Point[] = []
  try {
    for (let point = reader.next(); point !== undefined; point = reader.next()) points.push(point)
  } catch (error) {
    if (error instanceof TooLarge) return { ok: false, reason: 'PAYLOAD_TOO_LARGE', detail: error.message }
    if (error instanceof Malformed) return { ok: false, reason: 'PAYLOAD_MALFORMED', detail: `Line ${reader.line}: ${error.message}` }
    throw error
  }
  return { ok: true, points }
}

class LineReader {
  readonly #text: string
  readonly #most: number
  #count = 0
  #at = 0
  /** Where the point began. */
  #from = 0

  constructor (text: string, most: number) {
    this.#text = text
    this.#most = most
  }

  /** From 1. */
  get line (): number { return this.#text.slice(0, this.#from).split('\n').length }

  next (): Point | undefined {
    this.#skipToPoint()
    this.#from = this.#at
    if (this.#isAtEnd) return undefined
    const measurement = this.#name(name)
    const tags: Point['tags'] = []
    while (this.#takes(',')) {
      this.#countOne()
      const tag = this.#name(key)
      if (!this.#takes('=')) throw new Malformed(`the tag ${show(tag)} has no value.`)
      const value = this.#isAtEnd || this.#isAt(', \r\n') ? '' : this.#name(name)
      // Who has nothing to say there means that the tag is not set.
      if (value !== '') tags.push([tag, value])
    }
    if (!this.#skipBlanks()) throw new Malformed(`${show(measurement)} has no field: a line is "measurement,tag=text field=1 time".`)
    const fields: Point['fields'] = []
    do {
      this.#countOne()
      const field = this.#name(key)
      if (!this.#takes('=')) throw new Malformed(`the field ${show(field)} has no value.`)
      const value = this.#isAt('"') ? this.#quoted(field) : valueOf(this.#word(word), field)
      if (value !== undefined) fields.push([field, value])
    } while (this.#takes(','))
    let written: string | undefined
    if (this.#skipBlanks()) {
      written = this.#word(word)
      if (!time.test(written)) throw new Malformed(`${show(written)} is no time: after the fields comes a whole number, or the end of the line.`)
      this.#skipBlanks()
    }
    if (!this.#isAtEnd && !this.#isAt(ends)) throw new Malformed(`${show(this.#word(rest))} comes after the end of the line.`)
    return { measurement, tags: tags.length < 2 ? tags : tags.sort(([one], [other]) => one < other ? -1 : one > other ? 1 : 0), fields, time: written }
  }

  /** Also of comments, and of fields that are no numbers: they take time, too. */
  #countOne (): void {
    if (++this.#count > this.#most) throw new TooLarge(`The payload has more than ${this.#most} values: send fewer at a time.`)
  }

  get #isAtEnd (): boolean { return this.#at >= this.#text.length }

  #isAt (characters: string): boolean {
    return !this.#isAtEnd && characters.includes(this.#text[this.#at] as string)
  }

  #takes (character: string): boolean {
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  /** Whether there was one, and something after it in this line. */
  #skipBlanks (): boolean {
    const from = this.#at
    this.#word(blanks)
    return this.#at > from && !this.#isAtEnd && !this.#isAt(ends)
  }

  #skipToPoint (): void {
    this.#word(between)
    while (this.#isAt('#')) {
      this.#countOne()
      this.#word(comment)
      this.#word(between)
    }
  }

  /** What the pattern finds here. */
  #word (pattern: RegExp): string {
    pattern.lastIndex = this.#at
    const word = pattern.exec(this.#text)?.[0] ?? ''
    this.#at += word.length
    return word
  }

  #name (pattern: RegExp): string {
    const name = this.#word(pattern)
    if (name === '') throw new Malformed('a name is missing.')
    return name.includes('\\') ? name.replace(/\\([, =])/g, '$1') : name
  }

  #quoted (field: string): string {
    const from = ++this.#at
    let isEscaped = false
    for (; !this.#isAtEnd; this.#at++) {
      const character = this.#text[this.#at]
      if (character === '\\') {
        isEscaped = true
        this.#at++
      } else if (character === '"') {
        const text = this.#text.slice(from, this.#at++)
        if (!this.#isAtEnd && !this.#isAt(', \r\n')) throw new Malformed(`the text of the field ${show(field)} goes on after its quote.`)
        return isEscaped ? text.replace(/\\(["\\])/g, '$1') : text
      }
    }
    throw new Malformed(`the text of the field ${show(field)} has no end.`)
  }
}

/** Undefined: there is no value, as C and Go write it. */
function valueOf (written: string, field: string): number | boolean | undefined {
  if (decimal.test(written)) return finite(Number(written))
  if (whole.test(written)) return finite(Number(written.slice(0, -1)))
  const boolean = booleans.get(written)
  if (boolean !== undefined) return boolean
  if (noNumber.test(written)) return undefined
  throw new Malformed(written === '' ? `the field ${show(field)} has no value.` : `the field ${show(field)} has the value ${show(written)}: it has to be a number, true, false, or a text in double quotes.`)
}

function finite (value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined
}

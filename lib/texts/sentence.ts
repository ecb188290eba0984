/**
 * What may be wrong, in each language. `{1}`, `{2}` … stand for what is filled in: a name, a number, or another sentence of the tables.
 * The English sentence is the key: it is what the code says.
 */
export interface Sentence { en: string, es: string, pt: string }

/** A sentence, ready to be found: the English text between what is filled in. */
export interface Pattern { parts: string[], sentence: Sentence }

/** The patterns of tables, the most particular ones first. */
export function patternsOf (tables: ReadonlyArray<readonly Sentence[]>): Pattern[] {
  const patterns = tables.flat().map(sentence => ({ parts: sentence.en.split(/\{\d\}/), sentence }))
  const weight = ({ parts }: Pattern): number => parts.join('').length
  return patterns.sort((one, other) => weight(other) - weight(one))
}

/** What is filled in in a text that a pattern fits, in time that grows with its length alone; undefined: it does not fit. */
export function valuesIn (text: string, { parts }: Pattern): string[] | undefined {
  const [first = '', ...rest] = parts
  const last = rest.pop()
  if (last === undefined) return text === first ? [] : undefined
  const end = text.length - last.length
  if (!text.startsWith(first) || !text.endsWith(last)) return undefined
  const values: string[] = []
  let at = first.length
  for (const part of rest) {
    const next = text.indexOf(part, at + 1)
    if (next < 0 || next + part.length > end) return undefined
    values.push(text.slice(at, next))
    at = next + part.length
  }
  if (at >= end) return undefined
  return [...values, text.slice(at, end)]
}

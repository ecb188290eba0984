export type Rows = { ok: true, rows: string[][] } | { ok: false, reason: 'PAYLOAD_MALFORMED' | 'PAYLOAD_TOO_LARGE', detail: string }

const blanks = / */y
const ends = /[\r\n]*/y
const quoted = /[^"]*(?:""[^"]*)*/y

/**
 * The cells of a text in CSV, as RFC 4180 has it; blanks around cells and empty lines are left out. The parser that this package uses elsewhere takes seconds for a
 * megabyte of commas, and here strangers write the text: this one ends at the first cell too many.
 * @param most cells
 */
export function csvRows (text: string, separator: string, most: number): Rows {
  const bare = new RegExp(`[^${separator === '\t' ? '\\t' : `\\u{${separator.codePointAt(0)?.toString(16)}}`}\\r\\n]*`, 'uy')
  const rows: string[][] = []
  let row: string[] = []
  let cells = 0
  let at = 0
  const next = (pattern: RegExp): string => {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0] ?? ''
    at += found.length
    return found
  }
  for (;;) {
    if (++cells > most) return { ok: false, reason: 'PAYLOAD_TOO_LARGE', detail: `The payload has more than ${most} values: send fewer at a time.` }
    if (separator !== ' ') next(blanks)
    if (text[at] === '"') {
      at++
      row.push(next(quoted).replaceAll('""', '"'))
      if (at++ >= text.length) return { ok: false, reason: 'PAYLOAD_MALFORMED', detail: 'a quote has no end.' }
      if (separator !== ' ') next(blanks)
      if (at < text.length && text[at] !== separator && text[at] !== '\r' && text[at] !== '\n') return { ok: false, reason: 'PAYLOAD_MALFORMED', detail: 'a cell goes on after its quote.' }
    } else {
      row.push(next(bare).trimEnd())
    }
    if (text[at] === separator) {
      at++
      continue
    }
    if (row.length > 1 || row[0] !== '') rows.push(row)
    row = []
    next(ends)
    if (at >= text.length) return { ok: true, rows }
  }
}

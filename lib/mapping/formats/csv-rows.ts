import { CsvError, parse } from 'csv-parse/sync'

export type Rows = { ok: true, rows: string[][] } | { ok: false, reason: 'PAYLOAD_MALFORMED' | 'PAYLOAD_TOO_LARGE', detail: string }

const unclosed = 'a quote has no end.'
const unended = 'a cell goes on after its quote.'
/** What the parser's codes mean; its own sentences may quote the cell, as long as it is. */
const reasons: Record<string, string> = { CSV_QUOTE_NOT_CLOSED: unclosed, CSV_INVALID_CLOSING_QUOTE: unended, CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE: unended, INVALID_OPENING_QUOTE: 'a quote is in the middle of a cell.' }

/**
 * The cells of a text in CSV; blanks around cells and empty lines are left out. Cells are counted before they are read: strangers write the text, and the parser takes
 * seconds for a megabyte of commas.
 * @param separator one character
 * @param most cells
 */
export function csvRows (text: string, separator: string, most: number): Rows {
  if (hasMore(text, separator, most)) return { ok: false, reason: 'PAYLOAD_TOO_LARGE', detail: `The payload has more than ${most} values: send fewer at a time.` }
  try {
    const rows = parse(text, { delimiter: separator, record_delimiter: ['\r\n', '\n', '\r'], trim: separator !== ' ', relax_column_count: true, skip_empty_lines: true })
    return { ok: true, rows: rows.filter(row => row.length > 1 || row[0] !== '') }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    return { ok: false, reason: 'PAYLOAD_MALFORMED', detail: reasons[error.code] ?? `${error.code}.` }
  }
}

/** Whether there are more separators and line ends than that, in quotes or not; a carriage return and a line feed end one line. */
function hasMore (text: string, separator: string, most: number): boolean {
  let count = 0
  for (const end of [separator, '\n', '\r']) {
    for (let at = text.indexOf(end); at >= 0 && count <= most; at = text.indexOf(end, at + 1)) if (end !== '\r' || text[at + 1] !== '\n') count++
  }
  return count > most
}

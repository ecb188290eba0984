// Names in one field of the form, with commas between them; as in CSV, one that could be taken for several is in quotes.

/** A name, or several. */
export function namesIn (text: string): string | string[] {
  const names = [...text.matchAll(/\s*(?:"((?:[^"]|"")*)"|([^,]*))\s*(?:,|$)/g)]
    .map(([, quoted, plain = '']) => quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"'))
    .filter(name => name !== '')
  return names.length > 1 ? names : names[0] ?? ''
}

export function textOf (names: string | string[]): string {
  return Array.isArray(names) ? names.map(quoted).join(', ') : quoted(names)
}

/** As it has to be written for `namesIn`. */
export function quoted (name: string): string {
  return /[,]|^["\s]|\s$/.test(name) ? `"${name.replaceAll('"', '""')}"` : name
}

/** What is being typed at the end of a field, and the names before it, with the comma after them. */
export function lastOf (field: string): { before: string, text: string } {
  const comma = field.lastIndexOf(',')
  return { before: comma < 0 ? '' : `${field.slice(0, comma)}, `, text: field.slice(comma + 1).trim() }
}

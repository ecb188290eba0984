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

const separator = ' - '

/** The reason in the text of a failed statement's error. Knex puts the statement with its values before it, and neither belongs in a log. */
export function withoutStatement (text: string): string {
  const start = text.lastIndexOf(separator)
  return start < 0 ? text : text.slice(start + separator.length)
}

const separator = ' - '
/** How the errors of system calls begin, such as EACCES; the name of a file may be in them. */
const systemError = /^E[A-Z\d]+: /

/** The reason in the text of an error. Knex puts a failed statement with its values before it, and neither belongs in a log. */
export function withoutStatement (text: string): string {
  const start = systemError.test(text) ? -1 : text.lastIndexOf(separator)
  return start < 0 ? text : text.slice(start + separator.length)
}

/** What is being typed at the end of a field that has several names, and the names before it, with the comma after them. */
export function lastOf (field: string): { before: string, text: string } {
  const comma = field.lastIndexOf(',')
  return { before: comma < 0 ? '' : `${field.slice(0, comma)}, `, text: field.slice(comma + 1).trim() }
}

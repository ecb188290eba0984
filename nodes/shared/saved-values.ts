/** What programs, and forms of other nodes, write for yes and no. */
const booleans = new Map([['true', true], ['false', false], ['', false]])

/**
 * A saved value, as something of the same kind as its default: text that says a number or a boolean may be what `${ENV}` gave, and the
 * other way round. Undefined: it is nothing like it.
 */
export function asKindOf (standard: unknown, value: unknown): unknown {
  switch (typeof standard) {
    case 'boolean': return typeof value === 'string' ? booleans.get(value) : ofType('boolean', value)
    case 'number': return typeof value === 'string' ? value : ofType('number', value)
    case 'string': return typeof value === 'number' || typeof value === 'boolean' ? String(value) : ofType('string', value)
    default: return typeof value === 'object' && value !== null && Array.isArray(value) === Array.isArray(standard) ? value : undefined
  }
}

function ofType (type: 'boolean' | 'number' | 'string', value: unknown): unknown {
  return typeof value === type ? value : undefined
}

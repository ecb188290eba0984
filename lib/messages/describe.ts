import type { Validator } from 'typebox/compile'

/**
 * One sentence about the first thing that is wrong with `value`.
 * @param name of the value, put before the names of its fields
 */
export function describe (validator: Validator, schema: unknown, value: unknown, name = ''): string {
  const errors = validator.Errors(value)
  // A union reports each of its branches before itself; the union's own description is the useful one.
  const first = errors.find(error => error.keyword === 'anyOf') ?? errors[0]
  if (first === undefined) return `${name || 'The payload'} breaks the contract.`
  const path = first.instancePath.replace(/\/(\d+)(?=\/|$)/g, '[$1]').replaceAll('/', '.')
  const where = `${name}${name === '' ? path.replace(/^\./, '') : path}` || 'the payload'
  const description = first.keyword === 'anyOf' || first.keyword === 'pattern' ? descriptionAt(schema, first.instancePath) : undefined
  return `${where} ${description === undefined ? first.message : `must be ${description}`}.`
}

function descriptionAt (schema: unknown, path: string): string | undefined {
  let node = schema as { properties?: Record<string, unknown>, items?: unknown, description?: string } | undefined
  for (const key of path.split('/').slice(1)) {
    node = (node?.items ?? node?.properties?.[key]) as typeof node
  }
  return node?.description
}

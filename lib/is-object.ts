/** Whether a value is an object, arrays included: its properties may be read. */
export function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** Whether a value is an object whose properties may be asked for; arrays are. */
export function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

import { shared, type EditorNode, type Validator } from './red.ts'

/** A validator of whole numbers. */
export function wholeNumber (label: () => string, min: number, max?: number): Validator<EditorNode> {
  return (value, _options) => numberProblem(value, label(), min, max) ?? true
}

/** What is wrong with a whole number from `min` to `max`, as text or not; an environment variable is right: Node-RED looks it up. */
export function numberProblem (value: unknown, label: string, min: number, max = Number.MAX_SAFE_INTEGER): string | undefined {
  const given = String(value ?? '')
  const number = given.trim() === '' ? Number.NaN : Number(given)
  if (isVariable(given) || (Number.isInteger(number) && number >= min && number <= max)) return undefined
  return max === Number.MAX_SAFE_INTEGER
    ? shared('shared.validation.atLeast', { label, min })
    : shared('shared.validation.between', { label, min, max })
}

export function isVariable (value: string): boolean {
  return /^\$(\{[a-z_]\w*\}|\([a-z_]\w*\))$/i.test(value)
}

import { RED, shared } from './red.ts'

// What forms with tabs and lists share, and what they use of the editor beside red.ts.

interface Tab {
  id: string
  label: string
}

interface Tabs {
  addTab (tab: Tab): void
  activateTab (id: string): void
}

interface FormEditor {
  tabs: { create (options: { id: string, onchange (tab: Tab): void }): Tabs }
}

const { tabs } = RED as unknown as FormEditor

/**
 * Fills the bar `<form>-tabs`; the tab of a name is the element `<form>-<name>-tab` in `<form>-tabs-content`.
 * @param labelOf what is written on the tab of a name
 */
export function prepareTabs<Name extends string> (form: string, names: readonly Name[], labelOf: (name: Name) => string): void {
  const bar = tabs.create({
    id: `${form}-tabs`,
    onchange ({ id }) {
      $(`#${form}-tabs-content`).children().hide()
      $(`#${id}`).show()
    }
  })
  for (const name of names) bar.addTab({ id: `${form}-${name}-tab`, label: labelOf(name) })
}

/** A whole number from `min` to `max`, or an environment variable that Node-RED looks up. */
export function numberProblem (value: unknown, label: string, min: number, max = Number.MAX_SAFE_INTEGER): string | undefined {
  const given = String(value ?? '').trim()
  const number = given === '' ? Number.NaN : Number(given)
  if (isVariable(given) || (Number.isInteger(number) && number >= min && number <= max)) return undefined
  return max === Number.MAX_SAFE_INTEGER
    ? shared('shared.validation.atLeast', { label, min })
    : shared('shared.validation.between', { label, min, max })
}

export function isVariable (value: string): boolean {
  return /^\$(\{[a-z_]\w*\}|\([a-z_]\w*\))$/i.test(value)
}

/** A number where it is one, as the defaults are; else the text, such as `${PORT}`. */
export function numberOrText (value: string): number | string {
  return value === '' || Number.isNaN(Number(value)) ? value : Number(value)
}

/** Equal as saved: old nodes lack properties that new ones have. */
export function equal (a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

import { RED, type EditorNode } from './red.ts'

// What forms share.

/** A part of a form, which saves itself in `oneditsave`. */
export interface Part {
  save (): void
}

/**
 * For `oneditprepare`: shows what an older version did not save.
 * @param upgraded the node as it is saved today
 */
export function showMissing<Config extends object> (node: EditorNode & Config, upgraded: Config): void {
  for (const [name, value] of Object.entries(upgraded)) {
    const saved = node[name as keyof Config]
    if (saved !== undefined && saved !== null) continue
    const field = $(`#node-input-${name}, #node-config-input-${name}`)
    if (typeof value === 'boolean') field.prop('checked', value)
    // An empty text is there already, and would empty the select that Node-RED makes of a config node's field.
    else if (typeof value === 'number' || (typeof value === 'string' && value !== '')) field.val(String(value))
  }
}

/**
 * Fills the bar `<form>-tabs`; the tab of a name is the element `<form>-<name>-tab` in `<form>-tabs-content`.
 * @param labelOf what is written on the tab of a name
 */
export function prepareTabs<Name extends string> (form: string, names: readonly Name[], labelOf: (name: Name) => string): void {
  const bar = RED.tabs.create({
    id: `${form}-tabs`,
    onchange ({ id }) {
      $(`#${form}-tabs-content`).children().hide()
      $(`#${id}`).show()
    }
  })
  for (const name of names) bar.addTab({ id: `${form}-${name}-tab`, label: labelOf(name) })
}

/** Shows on a tab, by the id of its element, that something in it is wrong: it may be out of sight. */
export function markTab (id: string, wrong: boolean): void {
  $(`#red-ui-tab-${id}`).toggleClass('platziverse-wrong', wrong)
}

/** A number where it is one, as the defaults are; else the text, such as `${PORT}`. */
export function numberOrText (value: string): number | string {
  return value === '' || Number.isNaN(Number(value)) ? value : Number(value)
}

/** Equal as saved. */
export function equal (a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** Asks an admin endpoint of this package. @throws jQuery's response */
export async function post<Answer> (path: string, body: object): Promise<Answer> {
  // Relative: Node-RED adds its root and the user's token.
  return await $.ajax({ url: `platziverse/${path}`, method: 'POST', headers: { 'Accept-Language': RED.i18n.lang() }, contentType: 'application/json', data: JSON.stringify(body) }) as Answer
}

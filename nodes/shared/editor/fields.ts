// The fields that forms make themselves, such as those of a list's rows.

/** A select of `choices`, each shown as `textOf` says. */
export function select<Choice extends string> (
  choices: readonly Choice[], textOf: (choice: Choice) => string, value: string, label: string
): JQuery {
  const field = $('<select>').attr('aria-label', label)
  for (const choice of choices) $('<option>').val(choice).text(textOf(choice)).appendTo(field)
  return field.val(value)
}

export function input (value: unknown, label: string, type: 'text' | 'password' = 'text'): JQuery {
  return $('<input>').attr({ type, placeholder: label, 'aria-label': label, title: label, autocomplete: 'off' }).val(String(value ?? ''))
}

export function valueOf (field: JQuery): string {
  return String(field.val() ?? '').trim()
}

/** Whether something is in one of the open form's fields for these properties; of a secret that was saved the editor shows that much. */
export function isFilled (...properties: string[]): boolean {
  return properties.some(name => valueOf($(`#node-input-${name}, #node-config-input-${name}`)) !== '')
}

/** Shows on a field what is wrong with it, or that nothing is. */
export function mark (field: JQuery, problem: string | undefined): void {
  field.toggleClass('input-error', problem !== undefined).attr('title', problem ?? field.attr('aria-label') ?? '')
}

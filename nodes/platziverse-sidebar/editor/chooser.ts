import { element } from './dom.ts'

export interface Chooser {
  element: HTMLElement
  /** Empty: there is nothing to choose from. */
  value (): string
  offer (choices: Array<{ value: string, label: string }>): void
}

/** A select with a label, which shows itself once there is more than one thing to choose. @param chosen called when somebody chose */
export function chooser (id: string, label: string, chosen: () => void): Chooser {
  const select = element('select', { id })
  const whole = element('div', { class: 'platziverse-side-choice' }, element('label', { for: id }, label), select)
  let offered = ''
  whole.hidden = true
  select.addEventListener('change', chosen)
  return {
    element: whole,
    value: () => select.value,
    offer (choices) {
      const now = JSON.stringify(choices)
      if (now === offered) return
      offered = now
      const { value } = select
      select.replaceChildren(...choices.map(({ value, label }) => element('option', { value }, label)))
      if (choices.some(choice => choice.value === value)) select.value = value
      whole.hidden = choices.length < 2
    }
  }
}

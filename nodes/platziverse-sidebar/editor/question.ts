import { RED } from '../../shared/editor/red.ts'
import { element } from './dom.ts'
import { text } from './words.ts'

/**
 * Asks before something is done that cannot be undone. The focus is on "Cancel", stays in the question, and goes back afterwards.
 * @param yes what the button says that does it
 * @returns whether it is to be done
 */
export function confirmed (question: string, explanation: string, yes: string): Promise<boolean> {
  return new Promise(resolve => {
    const cancel = element('button', { type: 'button', class: 'ui-button ui-widget red-ui-button' }, text('platziverse-sidebar.action.cancel'))
    const go = element('button', { type: 'button', class: 'ui-button ui-widget red-ui-button primary' }, yes)
    const dialog = element('dialog', { 'class': 'platziverse-side-question', 'role': 'alertdialog', 'aria-labelledby': 'platziverse-side-question', 'aria-describedby': 'platziverse-side-explanation' },
      element('h2', { id: 'platziverse-side-question' }, question),
      element('p', { id: 'platziverse-side-explanation' }, explanation),
      element('div', { class: 'platziverse-side-answers' }, cancel, go))
    let answer = false
    cancel.addEventListener('click', () => { dialog.close() })
    go.addEventListener('click', () => {
      answer = true
      dialog.close()
    })
    // Escape closes it as well.
    dialog.addEventListener('close', () => {
      dialog.remove()
      RED.keyboard.enable()
      resolve(answer)
    })
    document.body.append(dialog)
    // Its keys are not for the canvas.
    RED.keyboard.disable()
    dialog.showModal()
    cancel.focus()
  })
}

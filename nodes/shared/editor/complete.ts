/** What a field may be completed to. */
export interface Completion {
  /** All of the field's text. */
  value: string
  /** What is shown of it. */
  label: string
}

/** Node-RED's widget, as this package uses it. */
interface Completing extends JQuery {
  autoComplete (options: { minLength: number, search (value: string, done: (found: Array<{ value: string, label: JQuery }>) => void): void }): JQuery
}

/**
 * Completes what is typed into a field; with an empty field the arrow down shows the first choices.
 * @param find may fail: then there is nothing to choose from
 */
export function complete (field: JQuery, find: (typed: string) => Promise<Completion[]>): void {
  const completing = field as Completing
  completing.autoComplete({
    minLength: 0,
    search (typed, done) {
      find(typed).then(found => { done(found.map(({ value, label }) => ({ value, label: asText(label) }))) }, () => { done([]) })
    }
  })
}

/** Node-RED takes a text for HTML. */
function asText (label: string): JQuery {
  return $('<div>').addClass('red-ui-autoComplete-completion').text(label)
}

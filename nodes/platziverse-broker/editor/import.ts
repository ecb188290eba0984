import { ask, text } from './form.ts'

/** What is wrong with a line of a file; see admin.ts. */
export interface Problem {
  line: number
  /** Of the catalogue's `import.problems`. */
  problem: string
  username?: string
}

export interface ImportOptions<Answer extends { problems: Problem[] }> {
  /** Element that the panel is put into. */
  place: string
  /** The endpoint that reads the file. */
  path: string
  label: string
  /** Takes what was read; answers with one sentence. */
  take (answer: Answer): string
}

/** A button that opens a panel in which a file of Mosquitto's is chosen or pasted. */
export function prepareImport<Answer extends { problems: Problem[] }> ({ place, path, label, take }: ImportOptions<Answer>): void {
  const hint = text('platziverse-broker.import.paste')
  const paste = $('<textarea rows="4" spellcheck="false">').attr({ placeholder: hint, 'aria-label': hint })
  const file = $<HTMLInputElement>('<input type="file">').hide()
  const report = $('<div class="form-tips platziverse-broker-report" role="status">').hide()
  const choose = button('fa fa-folder-open-o', text('platziverse-broker.import.choose')).on('click', () => { file.trigger('click') })
  const add = button('fa fa-plus', text('platziverse-broker.import.add'))
  const panel = $('<div>').append(paste, $('<div>').append(choose, ' ', add, file), report).hide()
  const open = button('fa fa-sign-in', label).on('click', () => { panel.toggle() })
  $(place).append(open, panel)

  const read = async (content: string): Promise<void> => {
    if (content.trim() === '') return
    try {
      const answer = await ask<Answer>(path, { text: content })
      show(take(answer), answer.problems)
    } catch (error) {
      show((error as Error).message, [])
    }
  }
  const show = (sentence: string, problems: Problem[]): void => {
    const lines = problems.map(({ line, problem, username = '' }) => {
      const said = text(`platziverse-broker.import.problems.${problem}`, { username })
      return $('<li>').text(text('platziverse-broker.import.problem', { line, problem: said }))
    })
    report.empty().append(document.createTextNode(sentence), lines.length === 0 ? [] : $('<ul>').append(lines)).show()
  }
  add.on('click', () => { void read(String(paste.val() ?? '')) })
  file.on('change', () => {
    const [chosen] = file[0]?.files ?? []
    // The same file may be chosen again, corrected.
    void chosen?.text().then(read).finally(() => { file.val('') })
  })
}

export function button (icon: string, label: string): JQuery {
  return $('<button type="button" class="red-ui-button red-ui-button-small">')
    .append($('<i aria-hidden="true">').addClass(icon), document.createTextNode(` ${label}`))
}

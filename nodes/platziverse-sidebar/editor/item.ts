import { element, icon, mark, unfold, write, type Row } from './dom.ts'
import { text } from './words.ts'

export type Tone = 'good' | 'away' | 'bad' | 'plain'

/** By its shape as well as its colour; what it means stands beside it. */
const shapes: Record<Tone, string> = { good: 'circle', away: 'circle-o', bad: 'exclamation-triangle', plain: 'tag' }

/** What a row says of a thing. */
export interface Said {
  tone: Tone
  name: string
  /** Below the name. */
  glance: string
  /** Once the row is open: words and what they stand for. */
  facts: Array<[word: string, value: string]>
  /** Beside the facts: a table of three columns. */
  table?: Array<[string, string, string]>
}

export interface ItemOptions<Item> {
  say (item: Item): Said
  /** Buttons at the end of the line. */
  actions? (current: () => Item): HTMLButtonElement[]
  /** The row was opened or closed. */
  turned? (item: Item, isOpen: boolean): void
}

let made = 0

/** A row with a name, a line below it, and more that opens. */
export function itemRow<Item> (first: Item, { say, actions, turned }: ItemOptions<Item>): Row<Item> {
  let item = first
  const id = `platziverse-side-item-${++made}`
  const shape = icon('circle')
  const name = element('span', { class: 'platziverse-side-name' })
  const glance = element('span', { class: 'platziverse-side-glance' })
  const button = element('button', { 'type': 'button', 'class': 'platziverse-side-toggle', 'aria-controls': id }, shape, element('span', {}, name, glance))
  const facts = element('dl')
  const table = element('table')
  const details = element('div', { id, class: 'platziverse-side-details' }, facts, table)
  const row = element('li', {}, element('div', { class: 'platziverse-side-line' }, button, ...actions?.(() => item) ?? []), details)
  const isOpen = () => !details.hidden
  const show = (): void => {
    const said = say(item)
    mark(shape, 'class', `fa fa-${shapes[said.tone]} platziverse-side-${said.tone}`)
    write(name, said.name)
    mark(name, 'title', said.name)
    write(glance, said.glance)
    if (!isOpen()) return
    showFacts(facts, said.facts)
    showTable(table, said.table ?? [])
  }
  button.addEventListener('click', () => {
    unfold(button, details, !isOpen())
    show()
    turned?.(item, isOpen())
  })
  unfold(button, details, false)
  return {
    element: row,
    show (next) {
      item = next
      show()
    }
  }
}

function showFacts (list: HTMLElement, facts: Said['facts']): void {
  for (const [i, [word, value]] of facts.entries()) {
    const term = list.children[2 * i] ?? list.appendChild(element('dt'))
    const description = list.children[2 * i + 1] ?? list.appendChild(element('dd'))
    write(term as HTMLElement, word)
    write(description as HTMLElement, value)
  }
  while (list.children.length > 2 * facts.length) list.lastElementChild?.remove()
}

function showTable (table: HTMLTableElement, rows: Array<[string, string, string]>): void {
  table.hidden = rows.length === 0
  if (table.tHead === null) {
    const words = ['type', 'value', 'time'].map(column => element('th', { scope: 'col' }, text(`platziverse-sidebar.metric.${column}`)))
    table.append(element('thead', {}, element('tr', {}, ...words)), element('tbody'))
  }
  const body = table.tBodies[0] as HTMLTableSectionElement
  for (const [i, cells] of rows.entries()) {
    const row = body.rows[i] ?? body.appendChild(element('tr', {}, element('td'), element('td'), element('td')))
    for (const [j, cell] of cells.entries()) {
      const place = row.cells[j] as HTMLElement
      write(place, cell)
      mark(place, 'title', cell)
    }
  }
  while (body.rows.length > rows.length) body.lastElementChild?.remove()
}

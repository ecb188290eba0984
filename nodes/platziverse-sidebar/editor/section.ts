import { rowsAtATime, mostRows } from '../../../lib/overview/shown.ts'
import { element, icon, RowList, unfold, write, type Row } from './dom.ts'
import { numberText, text } from './words.ts'

export type SectionName = 'brokers' | 'databases' | 'agents' | 'clients' | 'retained'

export interface SectionOptions<Item> {
  name: SectionName
  isOpen: boolean
  keyOf (item: Item): string
  row (item: Item): Row<Item>
  /** It was opened, or is to show more: ask. */
  asks (): void
}

/** A part of the sidebar with a heading that opens and closes it, and a list of which not more than `most` rows are shown. */
export class Section<Item> {
  readonly element: HTMLElement
  /** Between the heading and the list. */
  readonly tools = element('div', { class: 'platziverse-side-tools' })
  /** Most rows to ask for. */
  most = rowsAtATime
  readonly #list: RowList<Item>
  readonly #button: HTMLButtonElement
  readonly #body: HTMLElement
  readonly #count = element('span', { class: 'platziverse-side-count' })
  readonly #none = element('p', { class: 'platziverse-side-none' })
  readonly #more: HTMLButtonElement
  readonly #limit = element('p', { class: 'platziverse-side-none' }, text('platziverse-sidebar.list.limit', { count: numberText(mostRows) }))

  constructor (options: SectionOptions<Item>) {
    const { name, isOpen, keyOf, row, asks } = options
    const id = `platziverse-side-${name}`
    this.#button = element('button', { 'type': 'button', 'class': 'platziverse-side-heading', 'aria-controls': `${id}-body` },
      icon('angle-down'), element('span', { id: `${id}-name` }, text(`platziverse-sidebar.section.${name}`)), this.#count)
    this.#list = new RowList(`${id}-name`, keyOf, row)
    this.#more = element('button', { type: 'button', class: 'red-ui-button red-ui-button-small platziverse-side-more' })
    this.#body = element('div', { id: `${id}-body` }, this.tools, this.#none, this.#list.element, this.#more, this.#limit)
    this.element = element('section', { 'aria-labelledby': `${id}-name` }, element('h3', {}, this.#button), this.#body)
    this.#button.addEventListener('click', () => {
      unfold(this.#button, this.#body, !this.isOpen)
      if (this.isOpen) asks()
    })
    this.#more.addEventListener('click', () => {
      this.most = Math.min(mostRows, this.most + rowsAtATime)
      asks()
    })
    unfold(this.#button, this.#body, isOpen)
    this.#none.hidden = this.#more.hidden = this.#limit.hidden = true
  }

  get isOpen (): boolean { return !this.#body.hidden }

  /**
   * @param found how many there are to show, of which these are the first
   * @param count what the heading says of their number
   * @param none what is said where there is nothing
   */
  show (items: readonly Item[], { found, count, none }: { found: number, count: string, none: string }): void {
    this.#list.show(items)
    write(this.#count, count)
    write(this.#none, none)
    this.#none.hidden = items.length > 0
    const hidden = found - items.length
    const isFull = items.length >= mostRows
    this.#more.hidden = hidden <= 0 || isFull
    this.#limit.hidden = hidden <= 0 || !isFull
    write(this.#more, text('platziverse-sidebar.list.more', { count: numberText(Math.min(rowsAtATime, hidden)) }))
  }

  /** Show why there is nothing to show. */
  fail (why: string): void {
    this.show([], { found: 0, count: '', none: why })
  }

  focus (): void {
    this.#button.focus()
  }
}

// A little of what makes a page: elements whose texts are never markup, and lists that change without being made anew.

type Tag = keyof HTMLElementTagNameMap
type Child = Node | string

/** Makes an element. @param attributes `class`, `aria-label`, …; those that are undefined are left out */
export function element<Name extends Tag> (tag: Name, attributes: Record<string, string | undefined> = {}, ...children: Child[]): HTMLElementTagNameMap[Name] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(name, value)
  made.append(...children)
  return made
}

/** An icon of Font Awesome, which says nothing to those who cannot see it. */
export function icon (name: string): HTMLElement {
  return element('i', { 'class': `fa fa-${name}`, 'aria-hidden': 'true' })
}

/** A button that shows an icon and is called `label`. */
export function iconButton (name: string, label: string, act: () => void): HTMLButtonElement {
  const button = element('button', { 'type': 'button', 'class': 'red-ui-button red-ui-button-small', 'aria-label': label, 'title': label }, icon(name))
  button.addEventListener('click', act)
  return button
}

/** Sets a text that may be there already: nothing is drawn then. */
export function write (target: HTMLElement, text: string): void {
  if (target.textContent !== text) target.textContent = text
}

/** Sets an attribute that may be there already; undefined takes it away. */
export function mark (target: HTMLElement, name: string, value: string | undefined): void {
  if (value === undefined) target.removeAttribute(name)
  else if (target.getAttribute(name) !== value) target.setAttribute(name, value)
}

/** Shows and hides `body`, which the button controls. */
export function unfold (button: HTMLElement, body: HTMLElement, isOpen: boolean): void {
  mark(button, 'aria-expanded', String(isOpen))
  body.hidden = !isOpen
}

/** The element of a list that shows one thing. */
export interface Row<Item> {
  element: HTMLLIElement
  show (item: Item): void
}

/**
 * A list that shows things by their keys: a row stays the same element, with what has the focus in it, for as long as its thing is there.
 * The arrow keys go from row to row.
 */
export class RowList<Item> {
  readonly element: HTMLUListElement
  readonly #keyOf: (item: Item) => string
  readonly #make: (item: Item) => Row<Item>
  #rows = new Map<string, Row<Item>>()

  /** @param labelledBy id of the element that says what is in the list */
  constructor (labelledBy: string, keyOf: (item: Item) => string, make: (item: Item) => Row<Item>) {
    // Without marks before its items, Safari does not take it for a list.
    this.element = element('ul', { 'role': 'list', 'class': 'platziverse-side-list', 'aria-labelledby': labelledBy })
    this.element.addEventListener('keydown', event => { this.#move(event) })
    this.#keyOf = keyOf
    this.#make = make
  }

  show (items: readonly Item[]): void {
    const focused = document.activeElement
    const at = [...this.element.children].findIndex(row => row.contains(focused))
    const before = this.#rows
    this.#rows = new Map(items.map(item => {
      const key = this.#keyOf(item)
      return [key, before.get(key) ?? this.#make(item)]
    }))
    for (const [key, { element: gone }] of before) if (!this.#rows.has(key)) gone.remove()
    let i = 0
    for (const item of items) {
      const row = this.#rows.get(this.#keyOf(item)) as Row<Item>
      row.show(item)
      const there = this.element.children[i++]
      if (there !== row.element) this.element.insertBefore(row.element, there ?? null)
    }
    if (at < 0 || document.activeElement === focused) return
    // A row that moved lost the focus; one that went leaves it to the next.
    if (focused instanceof HTMLElement && this.element.contains(focused)) focused.focus()
    else this.#focus(Math.min(at, this.element.children.length - 1))
  }

  #move (event: KeyboardEvent): void {
    const { children } = this.element
    const at = [...children].findIndex(row => row.contains(document.activeElement))
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: children.length - 1 }[event.key]
    // A select has its own use for them.
    if (to === undefined || at < 0 || !(document.activeElement instanceof HTMLButtonElement)) return
    event.preventDefault()
    this.#focus(to)
  }

  #focus (index: number): void {
    this.element.children[index]?.querySelector('button')?.focus()
  }
}

import { mark } from './fields.ts'
import { equal, type Part } from './form.ts'

// A table in a form: a list in which each item has a row of fields.

export type Fields<Item> = Record<keyof Item, JQuery>

/** What is wrong with a field of the row at `index`. */
export interface RowProblem<Item> {
  index: number
  field: keyof Item
  text: string
}

export interface ListOptions<Item extends object> {
  /** Selector of the element that becomes the list. */
  place: string
  addButton: string
  sortable?: boolean
  /** What a new row begins with. */
  empty: Item
  /** Makes the fields of a row. */
  show (container: JQuery, item: Item): Fields<Item>
  read (fields: Fields<Item>): Item
  problems (items: Item[]): Array<RowProblem<Item>>
  /** After each check, once the problems are marked. */
  checked? (problems: Array<RowProblem<Item>>, rows: Array<Fields<Item>>): void
  /** Called at every change. Default: checks the list. */
  changed? (): void
}

export interface List<Item extends object> extends Part {
  /** As they are in the form now, in its order. */
  value (): Item[]
  add (items: readonly Item[]): void
  /** Checks all rows again and marks the inputs with what is wrong. */
  check (): void
}

interface Row<Item> {
  fields: Fields<Item>
}

/** Makes the list of a form that opens, for a property of its node. `items` are its rows so far. */
export function prepareList<Item extends object, Name extends string> (
  options: ListOptions<Item>, node: Record<Name, Item[]>, property: Name, items: readonly Item[]
): List<Item> {
  const { place, addButton, sortable = false, empty, show, read, problems, checked } = options
  let rows: Array<Row<Item>> = []
  const value = () => rows.map(({ fields }) => read(fields))
  const check = () => {
    const found = problems(value())
    for (const [index, { fields }] of rows.entries()) {
      for (const [name, field] of Object.entries(fields) as Array<[keyof Item, JQuery]>) {
        if (field.is('input')) mark(field, found.find(problem => problem.index === index && problem.field === name)?.text)
      }
    }
    checked?.(found, rows.map(({ fields }) => fields))
  }
  const changed = options.changed ?? check
  const list = $(place).editableList<Row<Item> & Partial<Item>>({
    addButton,
    removable: true,
    sortable,
    height: 'auto',
    addItem (container, _index, item) {
      item.fields = show(container.addClass('platziverse-row'), { ...empty, ...item })
      // From now on the fields hold the row.
      rows.push(item)
      for (const field of Object.values<JQuery>(item.fields)) field.on('input change', () => { changed() })
      changed()
    },
    removeItem (item) {
      rows.splice(rows.indexOf(item), 1)
      changed()
    },
    sortItems (sorted) {
      // Not an array, whatever its type says: its own map() gives the index first.
      rows = Array.from(sorted, item => item.data('data') as Row<Item>)
      changed()
    }
  })
  const add = (added: readonly Item[]) => { list.editableList('addItems', added.map(item => ({ ...item }))) }
  add(items)
  return {
    value,
    add,
    check,
    save () { if (!equal(value(), items)) node[property] = value() }
  }
}

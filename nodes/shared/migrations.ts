import { asKindOf } from './saved-values.ts'

/** A node as some version of this package saved it: properties may be missing, or mean what they meant then. */
export type Saved = Record<string, unknown>

/** One step, from what versions before `to` saved. Never changed after its release. */
export interface Migration {
  to: string
  /** Leaves a node alone that is as `to` has it: a flow does not say which version saved it. Must not change `saved` itself. */
  migrate (saved: Saved): Saved
}

/** A step that gives properties their values where a node lacks them. */
export function adds (properties: Saved): Migration['migrate'] {
  return saved => filled(saved, properties)
}

export interface Kinds<Config> {
  /** What the items of a list have, for lists of objects. */
  items?: Partial<Record<keyof Config, object>>
  /** Properties that may be anything here, because what they mean is checked wherever they are used. */
  any?: ReadonlyArray<keyof Config>
}

/** Gets the name of a property that cannot be read, because it is nothing like its default; the node has the default then. */
export type Unreadable = (name: string) => void

/**
 * Makes the function that turns a node that any version saved into one of today, for the runtime and the form alike.
 * What no step knows, and the node lacks, is as a new node has it.
 * @param migrations from the oldest to the newest
 */
export function upgradeBy<Config extends object> (
  defaults: Config, migrations: readonly Migration[], { items = {}, any = [] }: Kinds<Config> = {}
): (saved: Partial<Config>, unreadable?: Unreadable) => Config {
  const others = Object.entries(defaults as Saved).filter(([name]) => !any.includes(name as keyof Config))
  const itemsOf = items as Partial<Record<string, Saved>>
  return (saved, unreadable = () => undefined) => {
    const migrated = filled(migrations.reduce((node, { migrate }) => migrate(node), saved as Saved), defaults as Saved)
    return readable(migrated, others, unreadable, itemsOf) as Config
  }
}

function readable (saved: Saved, kinds: Array<[name: string, standard: unknown]>, unreadable: Unreadable, items: Partial<Record<string, Saved>> = {}): Saved {
  const changes: Saved = {}
  for (const [name, standard] of kinds) {
    const item = items[name]
    const kept = asKindOf(standard, saved[name])
    const value = item === undefined || !Array.isArray(kept) ? kept : listOf(kept, item)
    if (value === undefined) unreadable(name)
    if (value !== saved[name]) changes[name] = value ?? standard
  }
  return Object.keys(changes).length === 0 ? saved : { ...saved, ...changes }
}

/** The same list where nothing is missing; undefined: something in it cannot be read. */
function listOf (list: unknown[], standard: Saved): unknown[] | undefined {
  let isReadable = true
  const items = list.map(item => {
    const object = asKindOf({}, item) as Saved | undefined
    if (object === undefined) isReadable = false
    return readable(filled(object ?? {}, standard), Object.entries(standard), () => { isReadable = false })
  })
  if (!isReadable) return undefined
  return items.every((item, i) => item === list[i]) ? list : items
}

function filled (saved: Saved, properties: Saved): Saved {
  // null is what a program may have written.
  const missing = Object.entries(properties).filter(([name]) => saved[name] === undefined || saved[name] === null)
  return missing.length === 0 ? saved : { ...saved, ...Object.fromEntries(missing) }
}

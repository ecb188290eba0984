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

/**
 * Makes the function that turns a node that any version saved into one of today, for the runtime and the form alike.
 * What no step knows, and the node lacks, is as a new node has it.
 * @param migrations from the oldest to the newest
 */
export function upgradeBy<Config extends object> (defaults: Config, migrations: readonly Migration[]): (saved: Partial<Config>) => Config {
  return saved => {
    const migrated = migrations.reduce((node, { migrate }) => migrate(node), saved as Saved)
    return filled(migrated, defaults as Saved) as Config
  }
}

function filled (saved: Saved, properties: Saved): Saved {
  // null is what a program may have written.
  const missing = Object.entries(properties).filter(([name]) => saved[name] === undefined || saved[name] === null)
  return missing.length === 0 ? saved : { ...saved, ...Object.fromEntries(missing) }
}

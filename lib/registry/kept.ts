import { isDeepStrictEqual } from 'node:util'

/** What a node opened, and leaves open for its next instance. */
export interface Kept<Options> {
  readonly options: Options
  /** Whether there is a node for it now. */
  attached: boolean
  /** Whether it closed by itself: the next instance opens another one. */
  readonly closed: boolean
}

/** Things that outlive their nodes in a deploy, by the nodes' ids. */
export class KeptByNode<Options, Thing extends Kept<Options>> {
  #things = new Map<string, Thing>()

  /**
   * What the node's last instance left open or, where the options changed, what `make` opens instead.
   * @param make gets what it replaces
   */
  attach (nodeId: string, options: Options, make: (before: Thing | undefined) => Thing): Thing {
    const before = this.#things.get(nodeId)
    if (before?.closed === false && isDeepStrictEqual(before.options, options)) {
      before.attached = true
      return before
    }
    const thing = make(before)
    this.#things.set(nodeId, thing)
    return thing
  }

  /** The node goes, perhaps to come again. */
  detach (nodeId: string): Thing | undefined {
    const thing = this.#things.get(nodeId)
    if (thing !== undefined) thing.attached = false
    return thing
  }

  detachAll (): void {
    for (const thing of this.#things.values()) thing.attached = false
  }

  /** Remove the things that have no node; the caller closes them. */
  takeOrphans (): Array<[nodeId: string, thing: Thing]> {
    const orphans = [...this.#things].filter(([, { attached }]) => !attached)
    for (const [nodeId] of orphans) this.#things.delete(nodeId)
    return orphans
  }
}

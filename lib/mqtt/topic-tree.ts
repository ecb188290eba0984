interface Node<Value> {
  value: Value | undefined
  children: Map<string, Node<Value>>
}

/** About how many bytes a level takes. */
const bytesOfLevel = 256

/** Values by topic name or topic filter, level by level, so that the cost of a match depends on what it finds and not on the size of the tree. */
export class TopicTree<Value> {
  #root: Node<Value> = { value: undefined, children: new Map() }
  #size = 0
  #levels = 0

  get size (): number { return this.#size }

  /** About how many bytes it takes beside the keys and the values. */
  get overhead (): number { return this.#levels * bytesOfLevel }

  get (key: string): Value | undefined {
    let node: Node<Value> | undefined = this.#root
    for (const level of key.split('/')) node = node?.children.get(level)
    return node?.value
  }

  set (key: string, value: Value): void {
    let node = this.#root
    for (const level of key.split('/')) {
      let child = node.children.get(level)
      if (child === undefined) {
        node.children.set(level, child = { value: undefined, children: new Map() })
        this.#levels++
      }
      node = child
    }
    if (node.value === undefined) this.#size++
    node.value = value
  }

  delete (key: string): void {
    const levels = key.split('/')
    const path = [this.#root]
    for (const level of levels) {
      const child = path.at(-1)!.children.get(level)
      if (child === undefined) return
      path.push(child)
    }
    const node = path.pop()!
    if (node.value !== undefined) this.#size--
    node.value = undefined
    let child = node
    for (let parent = path.pop(); parent !== undefined && child.value === undefined && child.children.size === 0; parent = path.pop()) {
      parent.children.delete(levels.pop()!)
      this.#levels--
      child = parent
    }
  }

  /** The values of the filters in the tree that match the topic name `topic`. */
  matchingFilters (topic: string): Value[] {
    const levels = topic.split('/')
    const found: Value[] = []
    const visit = (node: Node<Value>, at: number): void => {
      const wildcards = wildcardsReach(topic, at)
      // "a/#" matches "a" as well. [MQTT-4.7.1-2]
      const rest = wildcards ? node.children.get('#')?.value : undefined
      if (rest !== undefined) found.push(rest)
      if (at === levels.length) {
        if (node.value !== undefined) found.push(node.value)
        return
      }
      const exact = node.children.get(levels[at]!)
      if (exact !== undefined) visit(exact, at + 1)
      const any = wildcards ? node.children.get('+') : undefined
      if (any !== undefined) visit(any, at + 1)
    }
    visit(this.#root, 0)
    return found
  }

  /** The values of the topic names in the tree that match `filter`; the tree is read as they are iterated. */
  matchingTopics (filter: string): Generator<Value> {
    const levels = filter.split('/')
    function * below (node: Node<Value>, at: number): Generator<Value> {
      if (node.value !== undefined) yield node.value
      for (const [level, child] of node.children) if (wildcardsReach(level, at)) yield * below(child, at + 1)
    }
    function * visit (node: Node<Value>, at: number): Generator<Value> {
      const level = levels[at]
      if (level === undefined) {
        if (node.value !== undefined) yield node.value
      } else if (level === '#') {
        yield * below(node, at)
      } else if (level === '+') {
        for (const [name, child] of node.children) if (wildcardsReach(name, at)) yield * visit(child, at + 1)
      } else {
        const child = node.children.get(level)
        if (child !== undefined) yield * visit(child, at + 1)
      }
    }
    return visit(this.#root, 0)
  }
}

/** A wildcard in the first level matches no topic that begins with $. [MQTT-4.7.2-1] */
function wildcardsReach (topic: string, at: number): boolean {
  return at > 0 || !topic.startsWith('$')
}

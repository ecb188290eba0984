import type { Link } from './red.ts'

/** A node as the walk sees it: of the editor's nodes, only what matters for where messages go. */
export interface FlowNode {
  id: string
  type: string
  z?: string
  d?: boolean
  /** Of link nodes: the ids of the other ends. */
  links?: string[]
  /** Of a link out: `return` answers a link call. */
  mode?: string
  /** Of a link call: `dynamic` takes its target from the message. */
  linkType?: string
  /** Of the inputs and outputs of a subflow: which one it is. */
  direction?: 'in' | 'out' | 'status'
  i?: number
}

export interface Flows {
  node (id: string): FlowNode | undefined
  /** The wires that leave the output `port` of a node; every output when there is no port. */
  wires (id: string, port?: number): FlowNode[]
  /** A subflow's inputs and its instances. */
  subflow (id: string): { in: FlowNode[], instances: FlowNode[] } | undefined
  disabled (flow: string): boolean
}

/**
 * Whether a message that leaves `output` of `start` may come to a node of `type`: along wires, links, link calls, and
 * into and out of subflows. What other nodes do with it is their business: all their outputs count. Disabled nodes stop it.
 */
export function reaches (type: string, start: FlowNode, output: number, flows: Flows): boolean {
  const seen = new Set<string>()
  const next = flows.wires(start.id, output)
  for (let node = next.pop(); node !== undefined; node = next.pop()) {
    if (seen.has(node.id) || node.d === true || (node.z !== undefined && flows.disabled(node.z))) continue
    seen.add(node.id)
    if (node.type === type) return true
    // Nobody knows before the message where it goes.
    if (node.type === 'link call' && node.linkType === 'dynamic') return true
    next.push(...following(node, flows))
  }
  return false
}

function following (node: FlowNode, flows: Flows): FlowNode[] {
  if (node.type === 'link out' || node.type === 'link call') {
    // "return" goes back to the link calls, whose own outputs are walked already.
    const targets = node.mode === 'return' ? [] : (node.links ?? []).flatMap(id => flows.node(id) ?? [])
    return [...targets, ...flows.wires(node.id)]
  }
  if (node.direction === 'out') {
    return (flows.subflow(node.z ?? '')?.instances ?? []).flatMap(instance => flows.wires(instance.id, node.i ?? 0))
  }
  if (node.type.startsWith('subflow:')) {
    const inputs = flows.subflow(node.type.slice('subflow:'.length))?.in ?? []
    return [...inputs.flatMap(input => flows.wires(input.id)), ...flows.wires(node.id)]
  }
  return flows.wires(node.id)
}

/** Reads the wires once, so that a walk does not go through all of them at every step. */
export function wiresOf (eachLink: (callback: (link: Link) => void) => void): Flows['wires'] {
  const bySource = new Map<string, Link[]>()
  eachLink(link => {
    const links = bySource.get(link.source.id)
    if (links) links.push(link)
    else bySource.set(link.source.id, [link])
  })
  return (id, port) => (bySource.get(id) ?? [])
    .filter(link => port === undefined || link.sourcePort === port)
    .map(link => link.target as FlowNode)
}

import { reaches, wiresOf, type FlowNode, type Flows } from './downstream.ts'
import { RED, soonAfter, type EditorNode } from './red.ts'

/** The outputs of an agent-in whose messages wait for a metric-store, in their order. */
const storedOutputs = ['connected', 'disconnected', 'message'] as const
export type StoredOutput = typeof storedOutputs[number]

export interface StoreWarning {
  /** The type of node that warns. */
  type: string
  /** Whether the node needs a metric-store at all. */
  applies (node: EditorNode): boolean
  /** What the badge says when the mouse is over it. */
  text (outputs: StoredOutput[]): string
}

/**
 * Puts a yellow badge on nodes from which messages reach no metric-store, and keeps it right while wires change.
 * Not a validation error: such a flow may be intended, with another store, and an invalid node makes Deploy ask.
 */
export function warnOfMissingStore ({ type, applies, text }: StoreWarning): void {
  const warned = new Map<string, StoredOutput[]>()

  RED.view.annotations.register('platziverse-unstored', {
    type: 'badge',
    class: 'platziverse-unstored',
    filter: node => node.type === type,
    element: badge,
    show: node => warned.has(node.id),
    tooltip: node => text(warned.get(node.id) ?? [])
  })

  soonAfter(['flows:loaded', 'workspace:dirty', 'nodes:add', 'nodes:remove', 'nodes:change', 'links:add', 'links:remove'], () => {
    const nodes = RED.nodes.filterNodes({ type })
    if (nodes.length === 0) return
    const flows = currentFlows()
    for (const node of nodes) {
      const before = String(warned.get(node.id) ?? '')
      const outputs = applies(node) && node.d !== true ? outputsWithoutStore(node, flows) : []
      if (outputs.length > 0) warned.set(node.id, outputs)
      else warned.delete(node.id)
      if (String(outputs) !== before) node.dirty = true
    }
    RED.view.redraw()
  })
}

/** The outputs of `node` from which no metric-store is reached. */
export function outputsWithoutStore (node: EditorNode, flows: Flows = currentFlows()): StoredOutput[] {
  return storedOutputs.filter((_, output) => !reaches('metric-store', node as FlowNode, output, flows))
}

function currentFlows (): Flows {
  return {
    node: id => RED.nodes.node(id) as FlowNode | undefined,
    wires: wiresOf(callback => RED.nodes.eachLink(callback)),
    subflow: id => RED.nodes.subflow(id) as ReturnType<Flows['subflow']>,
    disabled: flow => RED.nodes.workspace(flow)?.disabled === true
  }
}

function badge (): SVGElement {
  const group = document.createElementNS('http://www.w3.org/2000/svg', 'g')
  group.innerHTML = '<circle cx="5" cy="5" r="5.5" fill="#f5a623" stroke="#8a5a00" stroke-width="1"/>' +
    '<path d="M 5,2 V 5.6 M 5,7.8 V 8" fill="none" stroke="#3b2600" stroke-width="1.6" stroke-linecap="round"/>'
  return group
}

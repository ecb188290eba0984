import { RED, type EditorNode, type Suggestion, type SuggestionContext } from '../../shared/editor/red.ts'

export const suggestionType = 'node-red-flow-suggestion-source'

/** px between two nodes that follow each other. */
const distance = 200
const output = 0

/** What usually follows an output, as chains of nodes. */
function chainsAfter ({ type }: EditorNode, port: number): string[][] {
  switch (type) {
    case 'agent-in': return port === 3 ? [['debug']] : [['metric-store', 'agent-out'], ['metric-store']]
    case 'metric-store': return [['agent-out'], ['debug']]
    case 'metric-query':
    case 'platziverse-agent': return [['debug']]
    case 'platziverse-broker': return port === 0 ? [['debug']] : []
    default: return []
  }
}

/** What usually comes before an input. */
function chainsBefore ({ type }: EditorNode): string[][] {
  if (type === 'metric-store') return [['agent-in']]
  if (type === 'agent-out') return [['metric-store']]
  if (type === 'metric-query') return [['inject']]
  return []
}

/** Suggests the next node, beside what other plugins suggest: the editor asks one alone. */
export async function suggestNext (context: SuggestionContext): Promise<Suggestion[]> {
  const others = RED.plugins.getPluginsByType(suggestionType).filter(({ getSuggestions }) => getSuggestions !== suggestNext)
  const theirs = await Promise.all(others.map(other => Promise.resolve(other.getSuggestions?.(context)).then(found => found ?? [], () => [])))
  return [...ours(context), ...theirs.flat()]
}

function ours ({ source, sourcePort = 0, sourcePortType = output }: SuggestionContext): Suggestion[] {
  if (source === undefined) return []
  const chains = sourcePortType === output ? chainsAfter(source, sourcePort) : chainsBefore(source)
  return chains.map(types => ({ label: types.join(' → '), nodes: nodesOf(types) }))
}

/** Each wired to the next one. */
function nodesOf (types: string[]): Suggestion['nodes'] {
  const ids = types.map(() => RED.nodes.id())
  return types.map((type, i) => ({ id: ids[i] as string, type, x: i * distance, y: 0, wires: [ids.slice(i + 1, i + 2)] }))
}

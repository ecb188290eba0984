import { RED, type EditorNode } from './red.ts'
import { databaseDefaults } from '../../platziverse-database/config.ts'

const type = 'platziverse-database'

/**
 * For `onadd`: a node from the palette works without opening its form. It takes the only database there is, and where
 * there is none makes the default one, as a step of its own that can be undone.
 */
export function chooseDatabase (node: EditorNode & { database: string }): void {
  // A node that was pasted is in its flow already and stays as it was copied.
  if (node.database !== '' || RED.nodes.node(node.id)) return
  const databases: EditorNode[] = []
  RED.nodes.eachConfig(config => { if (config.type === type) databases.push(config) })
  const [only, ...others] = databases
  if (others.length > 0) return
  node.database = only?.id ?? addDatabase()
}

function addDatabase (): string {
  const definition = RED.nodes.getType(type)
  if (definition === undefined) return ''
  const id = RED.nodes.id()
  RED.nodes.add({ id, type, _def: definition, users: [], changed: true, ...databaseDefaults })
  const database = RED.nodes.node(id)
  if (database) RED.editor.validateNode(database)
  RED.history.push({ t: 'add', nodes: [id], dirty: RED.nodes.dirty() })
  RED.nodes.dirty(true)
  return id
}

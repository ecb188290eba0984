import { RED, type EditorNode } from './red.ts'
import { databaseDefaults } from '../../platziverse-database/config.ts'

const type = 'platziverse-database'

interface DatabaseUser extends EditorNode { database: string }

/**
 * For `onadd`: a node from the palette works without opening its form. It takes the only database there is, and where
 * there is none makes the default one, as a step of its own that can be undone.
 */
export function chooseDatabase (node: DatabaseUser): void {
  // A node that was pasted is in its flow already and stays as it was copied.
  if (node.database !== '' || RED.nodes.node(node.id)) return
  const [only, ...others] = databases()
  if (others.length > 0) return
  node.database = only?.id ?? addDatabase(RED.nodes.id())
}

/**
 * Nodes of the type `user` that are imported without their database do as those from the palette. So an example that reads what other flows
 * store brings no database of its own.
 */
export function replaceMissingDatabases (user: string): void {
  const imported = new Set<string>()
  RED.events.on('nodes:add', subject => {
    const { id, type, changed } = subject as EditorNode
    // What was loaded is as it was deployed.
    if (type !== user || changed !== true) return
    if (imported.size === 0) setTimeout(replace)
    imported.add(id)
  })
  function replace (): void {
    const nodes = [...imported].flatMap(id => RED.nodes.node(id) as DatabaseUser | undefined ?? [])
    imported.clear()
    // Not only those whose database is missing still: the first of them makes it.
    for (const node of nodes.filter(({ valid }) => valid === false)) {
      node.database = databaseFor(node.database)
      RED.nodes.updateConfigNodeUsers(node, { action: 'add' })
      RED.editor.validateNode(node)
      node.dirty = true
    }
    RED.view.redraw()
  }
}

function isMissing (id: string): boolean {
  return id !== '' && RED.nodes.node(id) === undefined
}

/** The database of a node that had this one. */
function databaseFor (id: string): string {
  if (!isMissing(id)) return id
  const [only, ...others] = databases()
  return others.length > 0 ? id : only?.id ?? addDatabase(id)
}

function databases (): EditorNode[] {
  const found: EditorNode[] = []
  RED.nodes.eachConfig(config => { if (config.type === type) found.push(config) })
  return found
}

function addDatabase (id: string): string {
  const definition = RED.nodes.getType(type)
  if (definition === undefined) return ''
  RED.nodes.add({ id, type, _def: definition, users: [], changed: true, ...databaseDefaults })
  const database = RED.nodes.node(id)
  if (database) RED.editor.validateNode(database)
  RED.history.push({ t: 'add', nodes: [id], dirty: RED.nodes.dirty() })
  RED.nodes.dirty(true)
  return id
}

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageDir } from './node-red.ts'

type FlowNode = Record<string, unknown> & { id: string, type: string }

/**
 * The nodes of an example flow, changed where a test must not share: the broker's port and the database's file.
 * @param without types to leave out
 */
export async function exampleFlow (name: string, changes: Record<string, Record<string, unknown>> = {}, without: string[] = []): Promise<FlowNode[]> {
  const nodes = JSON.parse(await readFile(join(packageDir, 'flows', `${name}.json`), 'utf8')) as FlowNode[]
  return nodes.filter(({ type }) => !without.includes(type)).map(node => ({ ...node, ...changes[node.type] }))
}

/** The same nodes with other ids, to be deployed beside them. */
export function besides (nodes: FlowNode[]): FlowNode[] {
  const text = nodes.reduce((text, { id }) => text.replaceAll(`"${id}"`, `"${id}-besides"`), JSON.stringify(nodes))
  return JSON.parse(text) as FlowNode[]
}

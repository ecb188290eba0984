import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageDir } from './node-red.ts'

export interface SavedNode extends Record<string, unknown> { id: string, type: string }

const folder = join(packageDir, 'test', 'fixtures', 'flows-0.1.0')

/** The flows that version 0.1.0 saved, by name. */
export async function oldFlows (): Promise<Map<string, SavedNode[]>> {
  const flows = new Map<string, SavedNode[]>()
  for (const file of await readdir(folder)) {
    flows.set(file.replace(/\.json$/, ''), JSON.parse(await readFile(join(folder, file), 'utf8')) as SavedNode[])
  }
  return flows
}

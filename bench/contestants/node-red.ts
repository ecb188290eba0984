import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { benchFolder, requireFromRoot, rootFolder } from '../from-root.ts'
import type { Command, Place } from './contestant.ts'

export type Flow = Array<{ id: string, type: string } & Record<string, unknown>>

/** Where a contestant's palette nodes come from, as folder in the user directory → what it links to. */
export type Palette = Record<string, string>

export const comparators: Palette = {
  'node-red-contrib-aedes': join(benchFolder, 'node_modules/node-red-contrib-aedes'),
  'node-red-node-sqlite': join(benchFolder, 'node_modules/node-red-node-sqlite')
}
export const thisPackage: Palette = { '@platziverse/node-red-platziverse': rootFolder }

/** A user directory with this flow and these nodes, and how to start Node-RED 5 there. */
export async function prepareNodeRed (place: Place, flow: Flow, palette: Palette): Promise<Command> {
  for (const [name, target] of Object.entries(palette)) {
    const link = join(place.folder, 'node_modules', name)
    await mkdir(dirname(link), { recursive: true })
    await rm(link, { force: true })
    await symlink(target, link)
  }
  await writeFile(join(place.folder, 'flows.json'), JSON.stringify(flow, null, 2))
  await writeFile(join(place.folder, 'settings.cjs'), `module.exports = ${JSON.stringify({
    uiHost: '127.0.0.1',
    uiPort: place.editorPort,
    flowFile: 'flows.json',
    credentialSecret: false,
    telemetry: { enabled: false },
    // Core mqtt waits 15 s by default when the broker starts after it.
    mqttReconnectTime: 500,
    logging: { console: { level: 'warn', metrics: false, audit: false } }
  })}\n`)
  return {
    args: [requireFromRoot.resolve('node-red/red.js'), '--userDir', place.folder, '--settings', join(place.folder, 'settings.cjs')],
    cwd: place.folder
  }
}

/** A tab with these nodes on it; `wires` are given as the ids after each output. */
export function flowOf (nodes: Flow): Flow {
  const tab = '5be0c400000000fe'
  return [{ id: tab, type: 'tab', label: 'Benchmark' }, ...nodes.map(node => 'wires' in node ? { ...node, z: tab, x: 200, y: 100 } : node)]
}

import type { Version } from '../packets.ts'
import { openConnection } from './connection.ts'
import { answer, fail } from './generator.ts'

/** `node idle-load.ts '<IdleOrder as JSON>'`: opens connections, says `ready`, and keeps them open until its parent is gone. */

export interface IdleOrder { port: number, version: Version, connections: number }

/** So many at a time: fewer than a listener's queue takes. */
const atOnce = 200
/** As many source addresses, so that neither ports nor what one address may have run out. */
const addresses = 100

const { port, version, connections } = JSON.parse(process.argv[2] ?? '') as IdleOrder

let opened = 0
async function openInTurn (): Promise<void> {
  while (opened < connections) {
    const index = opened++
    await openConnection(port, version, `idle-${index}`, fail, `127.0.0.${2 + index % addresses}`)
  }
}

process.on('disconnect', () => process.exit(0))
await Promise.all(Array.from({ length: atOnce }, openInTurn)).then(() => { answer({ ready: true }) }, fail)

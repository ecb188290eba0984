import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os'
import { join } from 'node:path'
import { median } from './percentiles.ts'
import { requireFromRoot } from './from-root.ts'
import { workFolder } from './work.ts'

export interface Machine {
  cpu: string
  cores: number
  /** GiB */
  memory: number
  node: string
  nodeRed: string
  /** ms for a write of 4 KiB and fdatasync where the databases are; the median of 200. */
  fsync: number
  /** Load average of the last minute before the first run: near 0 on a quiet machine. */
  load: number
}

export function describeMachine (): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    nodeRed: (requireFromRoot('node-red/package.json') as { version: string }).version,
    fsync: fsyncTime(),
    load: loadavg()[0] ?? NaN
  }
}

function fsyncTime (): number {
  const folder = mkdtempSync(join(workFolder, 'fsync-'))
  const file = openSync(join(folder, 'file'), 'w')
  try {
    const page = Buffer.alloc(4096, 1)
    return median(Array.from({ length: 200 }, (_, i) => {
      const start = performance.now()
      writeSync(file, page, 0, page.length, i * page.length)
      fdatasyncSync(file)
      return performance.now() - start
    }))
  } finally {
    closeSync(file)
    rmSync(folder, { recursive: true })
  }
}

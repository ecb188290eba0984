import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { benchFolder } from './from-root.ts'

/** Not the system's temporary folder: that is often in memory, where fsync costs nothing. */
export const allWork = join(benchFolder, '.work')

/** This run's temporary folder, gone when the process ends. */
export const workFolder = join(allWork, String(process.pid))

/** Make it, and remove what runs left that were killed. */
export function openWorkFolder (): void {
  mkdirSync(workFolder, { recursive: true })
  for (const pid of readdirSync(allWork)) {
    if (!existsSync(`/proc/${pid}`)) rmSync(join(allWork, pid), { recursive: true, force: true })
  }
}

export function removeWorkFolder (): void {
  rmSync(workFolder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
}

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'

/** A disk of its own for the database, which can be full. */
export interface Disk {
  readonly folder: string
  /** Take all its room away. */
  fill (): Promise<void>
  free (): void
  remove (): void
}

const megabytes = 2048

/**
 * In memory: a file system of its own without a device.
 * @returns undefined where this process may not mount one
 */
export function openDisk (folder: string): Disk | undefined {
  if (process.platform !== 'linux') return undefined
  mkdirSync(folder, { recursive: true })
  if (!mount('-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'tmpfs', folder)) return undefined
  const remove = (): void => { spawnSync('umount', ['-l', folder]) }
  process.once('exit', remove)
  return {
    folder,
    async fill () {
      // Somebody writes meanwhile: less than what is used is refused.
      for (let spare = 4; spare < 4096; spare *= 2) {
        const { bsize, blocks, bfree } = await statfs(folder)
        if (mount('-o', `remount,size=${(blocks - bfree + spare) * bsize}`, folder)) return
      }
      throw new Error(`The disk in ${folder} could not be filled.`)
    },
    free: () => { mount('-o', `remount,size=${megabytes}m`, folder) },
    remove () {
      process.off('exit', remove)
      remove()
    }
  }
}

/** Unmount what a run left below a folder that did not live to do so. */
export function releaseDisks (below: string): void {
  for (const line of readFileSync('/proc/self/mounts', 'utf8').split('\n')) {
    const [, folder = ''] = line.split(' ')
    const pid = folder.startsWith(`${below}/`) ? folder.slice(below.length + 1).split('/')[0] : undefined
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) spawnSync('umount', ['-l', folder])
  }
}

function mount (...args: string[]): boolean {
  return spawnSync('mount', args).status === 0
}

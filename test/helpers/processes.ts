import { existsSync, readFileSync } from 'node:fs'

/** Whether a process runs, or is frozen. On Linux one that has ended, and that nobody has asked for yet, is not alive. */
export function isAlive (pid: number): boolean {
  try {
    process.kill(pid, 0)
    const file = `/proc/${pid}/stat`
    // The state comes behind the name, which may have brackets and blanks of its own.
    return !existsSync('/proc/self') || !/\) [ZX] /.test(readFileSync(file, 'utf8'))
  } catch {
    return false
  }
}

/** None where the system is not Linux. */
export function childrenOf (pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`
  return existsSync(file) ? readFileSync(file, 'utf8').split(' ').filter(text => text !== '').map(Number) : []
}

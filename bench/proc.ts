import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** What Linux says about a process and its children. */

const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** Seconds of user and system time, of the children too. */
export function cpuSeconds (pid: number): number {
  return sum(pid, member => ticksOf(`/proc/${member}/stat`)) / ticksPerSecond
}

/** Seconds of user and system time of the main thread alone. */
export function threadSeconds (pid: number): number {
  return ticksOf(`/proc/${pid}/task/${pid}/stat`) / ticksPerSecond
}

/** Seconds that all cores together were busy since the machine started, whoever with. */
export function busySeconds (): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (/^cpu +(.*)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? '').split(' ').map(Number)
  return (user + nice + system + irq + softirq + steal) / ticksPerSecond
}

/** Bytes in memory now (`VmRSS`) or at most so far (`VmHWM`), the children's added. */
export function memory (pid: number, what: 'VmRSS' | 'VmHWM'): number {
  return sum(pid, member => {
    const line = new RegExp(`^${what}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${member}/status`, 'utf8'))
    if (line === null) throw new Error(`/proc/${member}/status has no ${what}.`)
    return Number(line[1]) * 1024
  })
}

/** @param first user time, which system time follows: 11 of the process, 13 of children that have ended */
function ticksOf (file: string, first = 11): number {
  // The name, second of all and in parentheses, may contain spaces: count from behind it.
  const fields = readFileSync(file, 'utf8').replace(/^.*\) /s, '').split(' ')
  return Number(fields[first]) + Number(fields[first + 1])
}

function sum (pid: number, measure: (member: number) => number): number {
  return measure(pid) + childrenOf(pid).reduce((total, child) => total + sum(child, measure), 0)
}

function childrenOf (pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap(task =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number))
}

/** What processes have used so far. */
export interface Usage {
  /** Seconds of user and system time. */
  cpu: number
  /** Bytes that they gave to the disk. */
  written: number
}

/** Of one process, without its children. */
export function processUsage (pid: number): Usage {
  return { cpu: ticksOf(`/proc/${pid}/stat`) / ticksPerSecond, written: writtenBytes(`/proc/${pid}/io`) }
}

/** What a process gave to the disk, by its `/proc/<pid>/io` or a copy of it. */
export function writtenBytes (file: string): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(file, 'utf8'))?.[1])
}

/** What a process and those that it started have used, those that have ended included. */
export function treeUsage (pid: number): Usage {
  const { cpu, written } = processUsage(pid)
  const ended = ticksOf(`/proc/${pid}/stat`, 13) / ticksPerSecond
  return childrenOf(pid).reduce((sum, child) => {
    const used = treeUsage(child)
    return { cpu: sum.cpu + used.cpu, written: sum.written + used.written }
  }, { cpu: cpu + ended, written })
}

/** The process of this name (`/proc/<pid>/comm`) that this one started. */
export function childNamed (name: string): number {
  const found = childrenOf(process.pid).find(child => readFileSync(`/proc/${child}/comm`, 'utf8').trim() === name)
  if (found === undefined) throw new Error(`There is no process ${name}.`)
  return found
}

/** Of all that this process started, and that they did, by a name as the kernel has it (`/proc/<pid>/comm`). */
export function usageOf (name: string): Usage {
  const used = { cpu: 0, written: 0 }
  const add = (pid: number): void => {
    try {
      if (readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === name) {
        const { cpu, written } = processUsage(pid)
        used.cpu += cpu
        used.written += written
      }
      childrenOf(pid).forEach(add)
    } catch {
      // It ended meanwhile.
    }
  }
  add(process.pid)
  return used
}

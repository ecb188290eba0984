import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { benchFolder } from '../from-root.ts'

/** A process of the chaos: `actors/<name>.ts`, its order as JSON in its arguments. */

export interface Work<Order> {
  order: Order
  /** Aborted when it has to come to its end. */
  stopping: AbortSignal
  /** What it answers when it is asked, and last of all. */
  answer (report: () => unknown): void
}

const running = new Set<ChildProcess>()
process.once('exit', () => { for (const child of running) child.kill('SIGKILL') })

/** The child's side: works until it is stopped, and ends with its parent. */
export async function serve<Order> (work: (work: Work<Order>) => Promise<void>): Promise<void> {
  const stop = new AbortController()
  let report = (): unknown => undefined
  process.on('disconnect', () => process.exit(1))
  process.on('message', message => {
    if (message === 'stop') stop.abort()
    if (message === 'report') process.send?.({ report: report() })
  })
  await work({ order: JSON.parse(process.argv[2] ?? '') as Order, stopping: stop.signal, answer: answer => { report = answer } })
  process.send?.({ last: report() }, () => process.exit(0))
}

export interface Actor<Report> {
  /** Throws when the actor has ended of itself. */
  check (): void
  ask (): Promise<Report>
  /** Its last report, when it has come to its end. */
  stop (): Promise<Report>
  kill (): void
}

/** The parent's side. */
export function startActor<Report> (name: string, order: object): Actor<Report> {
  const child = fork(join(benchFolder, 'chaos', 'actors', `${name}.ts`), [JSON.stringify(order)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], serialization: 'advanced' })
  let errors = ''
  let stopped = false
  running.add(child)
  child.stderr?.setEncoding('utf8').on('data', (text: string) => { errors += text })
  const ended = once(child, 'exit').then(() => { running.delete(child) })
  const last = new Promise<Report>(resolve => {
    child.on('message', (message: { last?: Report }) => { if (message.last !== undefined) resolve(message.last) })
  })
  const fault = (): Error => new Error(`The process "${name}" ended: ${errors}`)
  const orEnd = <Answer>(answer: Promise<Answer>): Promise<Answer> => Promise.race([answer, ended.then(() => { throw fault() })])
  return {
    check () {
      if (!stopped && (child.exitCode !== null || child.signalCode !== null)) throw fault()
    },
    async ask () {
      child.send('report')
      for (;;) {
        const [{ report }] = await orEnd(once(child, 'message')) as [{ report?: Report }]
        if (report !== undefined) return report
      }
    },
    async stop () {
      stopped = true
      child.send('stop')
      // The last report is sent before the end.
      return await Promise.race([last, ended.then(async () => await Promise.race([last, Promise.reject(fault())]))])
    },
    kill: () => { child.kill('SIGKILL') }
  }
}

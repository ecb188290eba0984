import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { benchFolder } from './from-root.ts'
import type { LoadOrder, LoadReport } from './load.ts'

/** Load on a broker, from a process of its own. Throws what it says when it fails. */
export async function generate (order: LoadOrder): Promise<LoadReport> {
  const generator = fork(join(benchFolder, 'load.ts'), [JSON.stringify(order)], { stdio: ['ignore', 'inherit', 'pipe', 'ipc'] })
  let errors = ''
  generator.stderr?.setEncoding('utf8').on('data', (text: string) => { errors += text })
  const report = once(generator, 'message') as Promise<[LoadReport]>
  const ended = once(generator, 'exit').then(([code]) => {
    if (code !== 0) throw new Error(`The load generator failed: ${errors || `code ${code}`}`)
  })
  const [[answer]] = await Promise.all([report, ended])
  return answer
}

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { benchFolder } from '../from-root.ts'

export interface TaskOptions { nodeFlags: string[], profile: boolean }

type Answer<Result> = { result: Result } | { error: string }

/**
 * Run one of the programs in tasks/ in a process of its own, so that none finds what another left in memory.
 * @param profile the name of its CPU profile
 */
export async function runTask<Result> (
  name: string, order: object, { nodeFlags, profile }: TaskOptions, profileName: string
): Promise<Result> {
  const flags = ['--cpu-prof', `--cpu-prof-dir=${join(benchFolder, 'results')}`, `--cpu-prof-name=${profileName}.cpuprofile`]
  const program = fileURLToPath(new URL(`tasks/${name}.ts`, import.meta.url))
  const child = fork(program, [JSON.stringify(order)], { execArgv: [...nodeFlags, ...profile ? flags : []] })
  const ended = once(child, 'exit')
  const failed = ended.then(([code]) => [{ error: `it ended with ${code}` }])
  const [answer] = await Promise.race([once(child, 'message'), failed]) as [Answer<Result>]
  await ended
  if ('error' in answer) throw new Error(`${profileName}: ${answer.error}`)
  return answer.result
}

/** In the program: do what it is for, tell its parent and end, at the latest when that ends. */
export async function task<Order, Result> (work: (order: Order) => Promise<Result>): Promise<void> {
  const orphaned = (): void => process.exit(1)
  process.once('disconnect', orphaned)
  const answer: Answer<Result> = await work(JSON.parse(process.argv[2] ?? '') as Order)
    .then(result => ({ result }), (error: Error) => ({ error: error.stack ?? error.message }))
  process.off('disconnect', orphaned)
  // Not a signal: exiting here also writes the CPU profile.
  process.send?.(answer, () => process.exit(0))
}

/** In the program: where it is, on the terminal. */
export function say (text: string): void {
  process.stderr.write(`  ${text}\n`)
}

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { IdleOrder } from './idle-load.ts'
import type { LoadOrder, Phase, PhaseReport } from './load.ts'

export interface Generator {
  run (phase: Phase): Promise<PhaseReport>
  stop (): Promise<void>
}

/** What a load process tells its parent. */
export type Answer = { ready: true } | { report: PhaseReport } | { error: string }

/** Start a load process, connected when this returns. */
export async function startGenerator (program: 'load.ts', order: LoadOrder): Promise<Generator>
export async function startGenerator (program: 'idle-load.ts', order: IdleOrder): Promise<Generator>
export async function startGenerator (program: string, order: object): Promise<Generator> {
  const child = fork(fileURLToPath(new URL(program, import.meta.url)), [JSON.stringify(order)])
  const ended = once(child, 'exit')
  const receive = async (): Promise<Answer> => {
    const [answer] = await Promise.race([once(child, 'message'), ended.then(() => [{ error: 'it ended' }])]) as [Answer]
    if ('error' in answer) throw new Error(`The load generator failed: ${answer.error}`)
    return answer
  }
  const stop = async (): Promise<void> => {
    if (child.connected) child.disconnect()
    await ended
  }

  await receive().catch(async error => { await stop(); throw error })
  return {
    async run (phase) {
      child.send(phase)
      const answer = await receive()
      if (!('report' in answer)) throw new Error('The load generator did not report.')
      return answer.report
    },
    stop
  }
}

/** In a load process: tell its parent. */
export function answer (message: Answer): void {
  process.send?.(message)
}

/** In a load process: end with this error. */
export function fail (error: Error): void {
  process.send?.({ error: error.message } satisfies Answer, () => process.exit(1))
}

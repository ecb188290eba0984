import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** A container engine with compose, and what it calls the two. */
export interface ContainerEngine { program: string, compose: string }

const known: ContainerEngine[] = [
  { program: 'docker', compose: 'docker compose' },
  { program: 'podman', compose: 'podman-compose' }
]

const run = promisify(execFile)

/**
 * The first engine that answers, has the images or can pull them, and runs a container of one; a text says why there is none.
 * @param images the first one with a program `true`
 */
export async function findContainerEngine (images: string[]): Promise<ContainerEngine | string> {
  const reasons: string[] = []
  for (const engine of known) {
    const reason = await whatFails(engine, images)
    if (reason === undefined) return engine
    reasons.push(reason)
  }
  return reasons.join('; ')
}

async function whatFails ({ program, compose }: ContainerEngine, images: string[]): Promise<string | undefined> {
  const attempts: Array<[seconds: number, command: string]> = [
    [20, `${program} info`],
    [20, `${compose} version`],
    ...images.map((image): [number, string] => [300, `${program} image inspect ${image} || ${program} pull ${image}`]),
    [60, `${program} run --rm ${images[0]} true`]
  ]
  for (const [seconds, command] of attempts) {
    try {
      await run('sh', ['-c', command], { timeout: seconds * 1_000, maxBuffer: 64 * 1024 * 1024 })
    } catch (error) {
      return `"${command}": ${(error as { stderr?: string }).stderr?.trim().split('\n').at(-1) ?? String(error)}`
    }
  }
  return undefined
}

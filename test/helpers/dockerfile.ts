import { cp, mkdir, readFile } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { packageDir } from './node-red.ts'
import type { Shell } from './pages.ts'

export const dockerFolder = join(packageDir, 'docs', 'docker')

export interface Stage { from: string, name: string | undefined, steps: Array<{ does: string, what: string }> }

export async function readStages (): Promise<Stage[]> {
  const stages: Stage[] = []
  for (const line of (await readFile(join(dockerFolder, 'Dockerfile'), 'utf8')).split('\n')) {
    const [, does = '', what = ''] = /^([A-Z]+) (.*)$/.exec(line) ?? []
    if (does === 'FROM') stages.push({ from: what.split(' ')[0] ?? '', name: / AS (\w+)$/.exec(what)?.[1], steps: [] })
    else if (does !== '') stages.at(-1)?.steps.push({ does, what })
  }
  return stages
}

/** Runs a stage of the Dockerfile without a container: its paths begin at `root`. */
export async function runStage (shell: Shell, root: (path: string) => string, { steps }: Stage): Promise<void> {
  let place = root('/')
  for (const { does, what } of steps) {
    if (does === 'WORKDIR') await mkdir(place = root(what), { recursive: true })
    else if (does === 'COPY' && what === '. .') await copyContext(place)
    else if (does === 'COPY') await shell.run(`cp ${what.replace(/^--from=\w+ /, '').split(' ').map(root).join(' ')} || test -f ${root(what.split(' ').at(-2) ?? '')}`)
    else if (does === 'RUN') await shell.run(`cd ${place}\n${within(what, root)}`)
  }
}

/** What the build sees of the clone. */
export async function copyContext (place: string): Promise<void> {
  const ignored = (await readFile(join(dockerFolder, 'Dockerfile.dockerignore'), 'utf8')).trim().split('\n')
  await cp(packageDir, place, {
    recursive: true,
    filter: source => {
      const path = relative(packageDir, source)
      return path === '' || !ignored.some(pattern => pattern === path || pattern === `**/${basename(path)}` || (pattern.startsWith('*.') && !path.includes('/') && path.endsWith(pattern.slice(1))))
    }
  })
}

export function within (command: string, root: (path: string) => string): string {
  return command.replace(/(?<=^|[\s"'])\/(?:tmp|data|package)\b/g, root)
}

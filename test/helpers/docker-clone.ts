import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { ContainerEngine } from './container-engine.ts'
import { copyContext } from './dockerfile.ts'
import { freePort } from './node-red.ts'
import { openShell, type Shell } from './pages.ts'

/** The clone that the page begins with, with free ports, and `docker` the engine that is here. */
export interface DockerClone {
  run: Shell['run']
  port (published: string): number
  /** Asks in the container what the image asks to find out whether it is healthy. */
  healthy (service: string): Promise<boolean>
  /** Stops all, and resolves with what each ended with. */
  stop (services: string[]): Promise<number[]>
}

/**
 * @param file of compose, whose images get a name of their own
 * @param published ports in it that are to be free ones of loopback
 */
export async function openDockerClone (t: Pick<TestContext, 'after'>, { program, compose }: ContainerEngine, file: string, published: string[]): Promise<DockerClone> {
  const project = `platziverse-test-${randomBytes(4).toString('hex')}`
  // Podman's own format of images has no health check.
  const shell = await openShell(t, { BUILDAH_FORMAT: 'docker' })
  const run: DockerClone['run'] = async script => {
    const [, signal, service = ''] = compose === 'podman-compose' ? / kill --signal (\w+) (\w+)$/.exec(script) ?? [] : []
    // podman-compose has no `kill`.
    return await shell.run(`cd clone\n${signal === undefined ? script : `docker kill --signal ${signal} ${await container(service)}`}`)
  }
  const composed = `docker compose --file docs/docker/${file}`
  const container = async (service: string): Promise<string> =>
    (await run(`docker ps --all --quiet --filter label=com.docker.compose.project=${project} --filter label=com.docker.compose.service=${service}`)).trim()
  await copyContext(join(shell.home, 'clone'))
  const path = join(shell.home, 'clone', 'docs', 'docker', file)
  const ports = new Map<string, number>()
  let text = (await readFile(path, 'utf8')).replaceAll('image: node-red-platziverse', `image: ${project}`)
  for (const port of published) {
    ports.set(port, await freePort())
    text = text.replace(`- ${port}`, `- 127.0.0.1:${ports.get(port)}:${port.split(':').at(-1)}`)
  }
  await writeFile(path, text)
  // In front of the engine of that name, which it starts itself.
  await shell.program('docker', `PATH=\${PATH#*:}
case "$1" in
compose) shift; exec ${compose} --project-name ${project} "$@" ;;
*) exec ${program} "$@" ;;
esac`)
  t.after(async () => {
    await run(`${composed} down --volumes; docker image rm --force ${project}`).catch((error: unknown) => { console.warn(String(error)) })
  })
  return {
    run,
    port: which => ports.get(which) ?? assert.fail(which),
    async healthy (service) {
      const id = await container(service)
      const check = JSON.parse(await run(`docker inspect --format '{{json .Config.Healthcheck}}' ${id}`)) as { Test: string[] }
      const [kind, ...words] = check.Test
      const command = kind === 'CMD-SHELL' ? ['sh', '-c', ...words] : words
      return await run(`docker exec ${id} ${command.map(word => `'${word.replaceAll("'", `'\\''`)}'`).join(' ')}`).then(() => true, () => false)
    },
    async stop (services) {
      await run(`${composed} stop`)
      const ids = await Promise.all(services.map(container))
      return await Promise.all(ids.map(async id => Number(await run(`docker inspect --format '{{.State.ExitCode}}' ${id}`))))
    }
  }
}

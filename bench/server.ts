import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Contestant, Place } from './contestants/contestant.ts'
import { benchFolder } from './from-root.ts'
import type { ProbeReport } from './probe.ts'
import { writtenBytes } from './proc.ts'
import { workFolder } from './work.ts'

/** What runs now, for when this process is told to end. */
const running = new Set<ChildProcess>()

/** End every contestant at once. */
export function killServers (): void {
  for (const child of running) child.kill('SIGKILL')
}

export interface Server {
  place: Place
  pid: number
  send (message: object): void
  /** The next message of the contestant that has this property. */
  receive<Answer> (property: string): Promise<Answer>
  resetProbe (): void
  probe (): Promise<ProbeReport>
  /** Bytes in use of the heap and outside it, after a collection. */
  kept (): Promise<number>
  /** Throws when the process has ended or printed anything but warnings. */
  check (): void
  /** Let the process end as an operator does, with SIGINT, and say how many bytes it gave to the disk in all. Its folder stays until `stop`. */
  close (): Promise<number>
  /** End the process and remove its folder. May be called twice. */
  stop (): Promise<void>
}

/** Start a contestant with the probe loaded. @param former where one was that was closed; absent: a fresh folder and free ports */
export async function startServer (contestant: Contestant, options: { profile: boolean, nodeFlags: string[] }, former?: Place): Promise<Server> {
  const folder = former?.folder ?? await mkdtemp(join(workFolder, `${contestant.id}-`))
  try {
    const place: Place = former ?? { folder, database: join(folder, 'bench.sqlite'), port: await freePort(), editorPort: await freePort() }
    const { args, cwd } = await contestant.prepare(place)
    const profile = options.profile ? ['--cpu-prof', `--cpu-prof-dir=${join(benchFolder, 'results')}`, `--cpu-prof-name=${contestant.id}.cpuprofile`] : []
    const child = spawn(process.execPath, [...options.nodeFlags, '--import', join(benchFolder, 'probe.ts'), ...profile, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    return watch(child, place, contestant)
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

function watch (child: ChildProcess, place: Place, { name }: Contestant): Server {
  const output: string[] = []
  let stopping = false
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', (text: string) => { if (output.length < 1000) output.push(text) })
  const ended = once(child, 'exit')
  running.add(child)
  child.once('exit', () => running.delete(child))
  const pid = child.pid
  if (pid === undefined) throw new Error(`${name} did not start.`)

  const server: Server = {
    place,
    pid,
    send: message => { child.send(message) },
    async receive<Answer> (property: string) {
      for (;;) {
        const [message] = await Promise.race([once(child, 'message'), ended.then(() => { throw new Error(`${name} ended.\n${output.join('')}`) })]) as [Record<string, Answer>]
        const answer = message[property]
        if (answer !== undefined) return answer
      }
    },
    resetProbe: () => { child.send({ probe: 'reset' }) },
    async probe () {
      child.send({ probe: 'report' })
      return await server.receive<ProbeReport>('probe')
    },
    async kept () {
      child.send({ probe: 'kept' })
      return await server.receive<number>('kept')
    },
    check () {
      const lines = output.join('').split('\n').filter(line => line.trim() !== '' && !line.includes('[warn]'))
      if (lines.length > 0) throw new Error(`${name} reported:\n${lines.slice(0, 20).join('\n')}`)
      if (child.exitCode !== null && !stopping) throw new Error(`${name} ended with code ${child.exitCode}.`)
    },
    async close () {
      stopping = true
      child.send({ probe: 'close' })
      await ended
      return writtenBytes(join(place.folder, 'io'))
    },
    async stop () {
      stopping = true
      if (child.connected) child.send({ probe: 'stop' })
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
      if (child.exitCode === null && child.signalCode === null) await ended
      clearTimeout(timer)
      await rm(place.folder, { recursive: true, force: true })
    }
  }
  return server
}

/** Until something listens on the port. */
export async function untilListening (server: Server, seconds: number): Promise<void> {
  for (const deadline = Date.now() + seconds * 1000; ;) {
    server.check()
    const socket = connect({ port: server.place.port, host: '127.0.0.1' })
    const answer = await Promise.race([once(socket, 'connect').then(() => true), once(socket, 'error').then(() => false)]).catch(() => false)
    socket.destroy()
    if (answer) return
    if (Date.now() > deadline) throw new Error(`Nothing listens on the broker's port after ${seconds} s.`)
    await pause(50)
  }
}

export async function freePort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { skipped } from './node-red.ts'
import { systemPath } from './system-path.ts'

const env = { ...process.env, PATH: systemPath }

/** What `{ skip }` of a test takes that runs `mosquitto_pub`, `mosquitto_sub` and `mosquitto_rr`. */
export const withoutMosquittoClients: string | false = spawnSync('mosquitto_rr', ['--help'], { env }).error === undefined
  ? false
  : skipped('mosquitto_rr is not here: install the clients of Mosquitto 2 (on Debian: apt-get install mosquitto-clients)')

/** A Python that has paho. */
const python = ['python3', '/usr/bin/python3'].find(path => spawnSync(path, ['-c', 'import paho.mqtt.client'], { env }).status === 0)

/** What `{ skip }` of a test takes that runs `runPython`. */
export const withoutPaho: string | false = python !== undefined ? false : skipped('Python\'s paho client is not here: on Debian apt-get install python3-paho-mqtt')

/** Its path; '' where there is none. */
export const pythonWithPaho = python ?? ''

/** A program while it runs. */
export interface Program {
  process: ChildProcess
  /** Resolves with the output once it has ended by itself; rejects unless its exit code is 0. */
  ended: Promise<string>
}

/** Start a program that is ended with the test. */
export function startProgram (t: Pick<TestContext, 'after'>, name: string, args: string[]): Program {
  const child = spawn(name, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => { output += text })
  t.after(() => { child.kill('SIGKILL') })
  const ended = once(child, 'close').then(([code]) => {
    if (code !== 0) throw new Error(`${name} ${args.join(' ')} ended with ${String(code)}: ${output}`)
    return output
  })
  ended.catch(() => undefined)
  return { process: child, ended }
}

export const runPython = (t: Pick<TestContext, 'after'>, script: string, ...args: string[]): Promise<string> => startProgram(t, python!, [script, ...args]).ended

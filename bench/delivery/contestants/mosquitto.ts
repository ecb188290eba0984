import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { program, type Broker } from './contestant.ts'

const mosquitto = '/usr/sbin/mosquitto'

/**
 * (m) Mosquitto as Debian has it, with nothing in its way: no limit on what is unacknowledged (20 by default, which would
 * make it wait at QoS 1) or queued (1,000 by default, which would make it drop), TCP_NODELAY set, nothing stored.
 */
export const mosquittoBroker: Broker = {
  id: 'm',
  name: 'Mosquitto',
  version: 4,
  async prepare (place) {
    mosquittoVersion()
    await writeFile(join(place.folder, 'mosquitto.conf'), `listener ${place.port} 127.0.0.1
allow_anonymous true
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
persistence false
user root
log_dest stderr
log_type error
`)
    const { args, cwd } = await program('mosquitto')(place)
    return { args: [...args, mosquitto], cwd }
  }
}

/** Such as `2.0.11`. Throws when it is not installed. */
export function mosquittoVersion (): string {
  try {
    return /version (\S+)/.exec(execFileSync(mosquitto, ['-h'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))?.[1] ?? 'unknown'
  } catch (error) {
    // Its help ends with code 3 in some versions.
    const { stdout, code } = error as { stdout?: string, code?: string }
    if (code === 'ENOENT') throw new Error(`There is no ${mosquitto}: apt-get install mosquitto, or choose others with --only.`)
    return /version (\S+)/.exec(stdout ?? '')?.[1] ?? 'unknown'
  }
}

import { join } from 'node:path'
import { hostMetricGroups } from '../../lib/agent/agent.ts'
import type { AgentNodeOptions } from '../../lib/registry/agents.ts'
import type { Credentials } from '../shared/login.ts'
import { agentDefaults as defaults, type AgentConfig } from './config.ts'

/** What the runtime needs to know beyond what the node saved. */
export interface Surroundings {
  id: string
  userDir: string | undefined
  /** See `AgentNodeOptions`. */
  place: string
  /** Whether anything is wired to the output. */
  listen: boolean
}

/** What a node saved, as the agent wants it. */
export function agentOptionsOf (
  config: AgentConfig, { user, password }: Credentials, { id, userDir, place, listen }: Surroundings
): AgentNodeOptions {
  const { name, username, broker, url, uuid } = config
  return {
    name,
    username,
    listen,
    // Left out, the agent decides by its uuid whether it can have commands.
    ...config.commands ? {} : { commands: false },
    interval: Math.round(Number(config.interval || defaults.interval) * 1000),
    willDelay: Number(config.willDelay === '' ? defaults.willDelay : config.willDelay),
    groups: hostMetricGroups.filter(group => config[group]),
    ...uuid.trim() === '' ? {} : { uuid: uuid.trim() },
    // By node and installation: kept by a deploy and a restart, another one where the same flow is imported elsewhere.
    ...userDir === undefined ? {} : { uuidFile: join(userDir, 'platziverse', 'agents', `${id}.uuid`) },
    broker,
    place,
    mqtt: {
      ...broker ? {} : { url },
      ...user ? { username: user } : {},
      ...password ? { password } : {}
    }
  }
}

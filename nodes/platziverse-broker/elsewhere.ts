import { PlatziverseError } from '../../lib/errors.ts'
import { findBroker } from '../../lib/registry/registry.ts'
import { databases } from '../shared/databases.ts'
import { checkLogin } from '../shared/login.ts'
import { tellingOf } from '../shared/language.ts'
import type { RED } from '../shared/red.ts'
import { tlsSettingsOf } from '../shared/tls.ts'
import type { BrokerConfig } from './config.ts'
import { obeyElsewhere } from './control.ts'
import type { BrokerNode, Engine } from './engine.ts'
import { listenerErrors } from './events.ts'
import { remoteOptionsOf } from './remote-options.ts'

/** ms that the broker may be away before that is worth a warning. */
const patience = 3_000

/**
 * The broker runs elsewhere; this Node-RED is one of its clients.
 * @throws PlatziverseError CREDENTIALS_LOST
 */
export function elsewhere (RED: RED, node: BrokerNode, config: BrokerConfig): Engine {
  checkLogin(config, node.credentials)
  const broker = findBroker(node.id)
  const options = remoteOptionsOf(config, node.credentials ?? {}, { id: node.id, userDir: RED.settings.userDir, tls: tlsSettingsOf(RED, config.tls) })

  /** Both connections may say the same of one outage. */
  const said = new Set<string>()
  let late: NodeJS.Timeout | undefined
  const say = (problem: PlatziverseError): void => {
    if (said.has(problem.code)) return
    said.add(problem.code)
    node.warn(tellingOf(RED, problem))
  }
  // Config nodes are made before this one.
  const isAlone = databases.size > 0 && [...databases].every(({ isFile }) => isFile)
  if (isAlone && (options.group !== '' || options.shards.length > 0)) {
    say(new PlatziverseError('BROKER_WORKER_ALONE', 'This worker shares messages with others, and stores them in a SQLite file, which is on this machine alone.'))
  }
  const onProblem = (problem: PlatziverseError): void => {
    if (problem.code !== 'BROKER_UNREACHABLE') return say(problem)
    // The broker may start with this process, or be back at once.
    late ??= setTimeout(() => {
      late = undefined
      if (broker.listener.state !== 'connected') say(problem)
    }, patience).unref()
  }
  broker.on('problem', onProblem)
  const reportListeners = listenerErrors(error => { node.error(error) })
  return {
    options,
    listened (states) {
      if (states[0]?.state === 'connected') said.clear()
      // What is wrong with the connection comes as a problem.
      reportListeners(states.filter(state => state.state !== 'failed' || state.error.code === 'BROKER_OPTION_INVALID'))
    },
    obey: command => obeyElsewhere(broker, command),
    close () {
      clearTimeout(late)
      broker.off('problem', onProblem)
    }
  }
}

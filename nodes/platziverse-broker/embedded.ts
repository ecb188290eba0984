import type { ClientEvent } from '../../lib/broker/broker.ts'
import { readOrigins } from '../../lib/broker/listening/web-origin.ts'
import { LoginQuestions } from '../../lib/broker/login/login-questions.ts'
import type { PlatziverseError } from '../../lib/errors.ts'
import { findBroker } from '../../lib/registry/registry.ts'
import type { Metrics } from '../shared/metrics.ts'
import type { RED } from '../shared/red.ts'
import { tlsSettingsOf } from '../shared/tls.ts'
import type { BrokerConfig } from './config.ts'
import { obey } from './control.ts'
import type { BrokerNode, Engine } from './engine.ts'
import { clientEvents, listenerErrors } from './events.ts'
import { brokerOptionsOf } from './options.ts'
import { servePaths } from './paths.ts'

/**
 * This Node-RED is the broker.
 * @param changed called when the status is to be looked at again
 */
export function embedded (RED: RED, node: BrokerNode, config: BrokerConfig, metrics: Metrics, changed: () => void): Engine {
  const broker = findBroker(node.id)
  const report = (error: Error): void => { node.error(error) }
  const questions = new LoginQuestions(question => { node.send([{ topic: 'client/login', payload: question }, null]) })
  let shut: PlatziverseError | undefined
  const options = brokerOptionsOf(config, node.credentials ?? {}, {
    id: node.id,
    userDir: RED.settings.userDir,
    tls: tlsSettingsOf(RED, config.tls),
    decide: login => questions.decide(login)
  }, error => {
    if (error.code.startsWith('BROKER_USERS_')) shut = error
    report(error)
  })

  const clients = clientEvents(RED, node)
  const onClient = (event: ClientEvent): void => {
    if (clients.report(event)) changed()
  }
  broker.on('client', onClient)
  const paths = config.listeners.filter(({ transport }) => transport === 'path').map(({ path }) => path || '')
  const endPaths = servePaths(RED.server, RED.settings.httpNodeRoot || '/', paths, {
    origins: readOrigins(config.origins),
    accept: (stream, arrival) => { broker.accept(stream, arrival) },
    refused: (by, reason, address) => { broker.refused(by, reason, address) }
  }, report)
  const unmeasured = config.prometheus ? metrics.addBroker(node.id, config.name || node.id, () => broker.snapshot()) : undefined
  return {
    options,
    ...shut === undefined ? {} : { shut },
    listened: listenerErrors(report),
    obey: (command, payload) => obey(broker, questions, command, payload),
    close () {
      questions.close()
      clients.close()
      broker.off('client', onClient)
      endPaths()
      unmeasured?.()
    }
  }
}

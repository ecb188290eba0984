import type { NodeDef } from 'node-red'
import type { OutgoingPublication } from '../../lib/broker/publication.ts'
import { PlatziverseError } from '../../lib/errors.ts'
import { originOf, type Delivery } from '../../lib/intake/pending-deliveries.ts'
import { encodePayload, publicationsOf, type TopicAndPayload } from '../../lib/messages/publications.ts'
import { agentStatesOf, dropAgentStates, publicationOf } from '../../lib/registry/agent-states.ts'
import { onAgentForgotten } from '../../lib/registry/forgotten-agents.ts'
import { findBroker, returnsFrom } from '../../lib/registry/registry.ts'
import { messageArrived } from '../../lib/registry/travel.ts'
import { watchFlows } from '../shared/broker.ts'
import { tellPlainly } from '../shared/plain-errors.ts'
import type { RED, RedMessage, RedNode } from '../shared/red.ts'
import { orRefuse, readSaved } from '../shared/refusing.ts'
import { bad, good, joined, liveStatus, pending, problemText } from '../shared/status.ts'
import { valueTopic, type AgentOutConfig } from './config.ts'
import { loopBy, loopOn } from './loop.ts'
import { upgrade } from './migrations.ts'
import { propertiesBy } from './properties.ts'

/** ms until the first status: the broker's node may be made after this one. */
const firstStatus = 100

/** Publishes messages to the subscribers of a broker. */
export default function (RED: RED): void {
  watchFlows(RED)

  function AgentOutNode (this: RedNode, saved: NodeDef & AgentOutConfig): void {
    RED.nodes.createNode(this, saved)
    tellPlainly(RED, this)
    const read = orRefuse(RED, this, () => {
      const config = readSaved(upgrade, saved)
      return { config, propertiesOf: propertiesBy(config) }
    })
    if (read === undefined) return
    const { config, propertiesOf } = read
    const qos = Number(config.qos) === 0 ? 0 : Number(config.qos) === 2 ? 2 : 1
    const retain = config.retain === true
    const noAlias = !config.topicAlias
    const isValue = config.payload === 'value'
    const template = config.topic || (isValue ? valueTopic : '')
    const states = config.agentState === true ? agentStatesOf(this.id, config.broker) : undefined
    let sent = 0
    /** Why nothing is published. */
    let loop: PlatziverseError | undefined

    this.on('input', (msg: RedMessage, _send, done) => {
      messageArrived(msg._msgid)
      const broker = config.broker ? findBroker(config.broker) : undefined
      if (broker === undefined) return done(new PlatziverseError('BROKER_MISSING', 'No broker is chosen.'))
      if (loop !== undefined) return done(loop)
      const publications = publicationsOf(msg.topic, msg.payload, template, isValue)
      if (!publications.ok) return done(publications.error)
      const back = publications.publications.find(({ topic }) => returnsFrom(config.broker!, topic))
      if (back !== undefined) return done(loopOn(back.topic, template))
      const count = publications.publications.length
      const changes = states?.changesBy(msg.topic, msg.payload) ?? []
      if (!broker.hasSubscribers && !retain && changes.length === 0) {
        sent += count
        return done()
      }
      const origin = originOf(msg.delivery as Partial<Delivery> | undefined, msg._msgid)
      const publish = ({ topic, payload }: TopicAndPayload): Promise<void> => {
        let encoded
        try {
          encoded = encodePayload(payload)
        } catch (error) {
          return Promise.reject(error as Error)
        }
        const publication: OutgoingPublication = { topic, payload: encoded, qos, retain, noAlias }
        const properties = propertiesOf(payload)
        if (properties !== undefined) publication.properties = properties
        return broker.publish(publication, origin)
      }
      const published = publications.publications.map(publish)
      for (const change of changes) {
        published.push(broker.publish(publicationOf(change), origin).catch((error: unknown) => {
          // The agent's next message publishes it again.
          states?.forget(change.uuid)
          throw error
        }))
      }
      const [only] = published
      const all: Promise<unknown> = only !== undefined && published.length === 1 ? only : Promise.all(published)
      all.then(() => {
        sent += count
        done()
      }, done)
    })

    const end = states && onAgentForgotten(uuid => {
      const change = states.forget(uuid)
      // Nobody waits for it; a broker that is away has nothing retained.
      if (config.broker && change !== undefined) findBroker(config.broker).publish(publicationOf(change)).catch(() => undefined)
    })
    const ending = new AbortController()
    // Whatever fails here is tried again by the next instance.
    if (config.broker) states?.restore(findBroker(config.broker), ending.signal).catch(() => undefined)
    /** An agent-in may come with a deploy that leaves this node alone, and go. */
    const lookForLoop = (): void => {
      const before = loop
      loop = config.broker ? loopBy(config.broker, template) : undefined
      if (loop !== undefined && before === undefined) this.error(loop)
    }
    const status = liveStatus(this, () => {
      lookForLoop()
      if (loop !== undefined) return bad(problemText(RED, loop.code))
      const { state } = config.broker ? findBroker(config.broker).listener : { state: 'closed' }
      if (state === 'closed') return bad(problemText(RED, 'BROKER_MISSING'))
      if (state !== 'listening' && state !== 'connected') return pending(joined(RED._('agent-out.status.waiting'), sent > 0 && RED._('agent-out.status.sent', { count: sent })))
      return good(RED._('agent-out.status.sent', { count: sent }))
    }, firstStatus)
    this.on('close', (removed: boolean, done: () => void) => {
      end?.()
      ending.abort()
      if (removed) dropAgentStates(this.id)
      status.close()
      done()
    })
  }

  RED.nodes.registerType('agent-out', AgentOutNode)
}

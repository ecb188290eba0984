import type { NodeDef } from 'node-red'
import { PlatziverseError } from '../../lib/errors.ts'
import { originOf, type Delivery } from '../../lib/intake/pending-deliveries.ts'
import { encodePayload, publicationsOf, type TopicAndPayload } from '../../lib/messages/publications.ts'
import { findBroker } from '../../lib/registry/registry.ts'
import { messageArrived } from '../../lib/registry/travel.ts'
import { watchFlows } from '../shared/broker.ts'
import type { RED, RedMessage, RedNode } from '../shared/red.ts'
import { bad, good, liveStatus } from '../shared/status.ts'
import type { AgentOutConfig } from './config.ts'
import { upgrade } from './migrations.ts'

/** ms until the first status: the broker's node may be made after this one. */
const firstStatus = 100

/** Publishes messages to the subscribers of a broker. */
export default function (RED: RED): void {
  watchFlows(RED)

  function AgentOutNode (this: RedNode, saved: NodeDef & AgentOutConfig): void {
    RED.nodes.createNode(this, saved)
    const config = upgrade(saved)
    const qos = Number(config.qos) === 0 ? 0 : Number(config.qos) === 2 ? 2 : 1
    const retain = config.retain === true
    let sent = 0

    this.on('input', (msg: RedMessage, _send, done) => {
      messageArrived(msg._msgid)
      const broker = config.broker ? findBroker(config.broker) : undefined
      if (broker === undefined) return done(new PlatziverseError('BROKER_MISSING', 'No broker is chosen.'))
      const publications = publicationsOf(msg.topic, msg.payload, config.topic)
      if (!publications.ok) return done(publications.error)
      const count = publications.publications.length
      if (!broker.hasSubscribers && !retain) {
        sent += count
        return done()
      }
      const origin = originOf(msg.delivery as Partial<Delivery> | undefined, msg._msgid)
      const publish = async ({ topic, payload }: TopicAndPayload): Promise<void> => {
        await broker.publish({ topic, payload: encodePayload(payload), qos, retain }, origin)
      }
      Promise.all(publications.publications.map(publish)).then(() => {
        sent += count
        done()
      }, done)
    })

    const status = liveStatus(this, () => {
      if (!config.broker || findBroker(config.broker).listener.state === 'closed') return bad('BROKER_MISSING')
      return good(RED._('agent-out.status.sent', { count: sent }))
    }, firstStatus)
    this.on('close', (done: () => void) => {
      status.close()
      done()
    })
  }

  RED.nodes.registerType('agent-out', AgentOutNode)
}

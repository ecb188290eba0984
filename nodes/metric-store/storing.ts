import type { PlatziverseError } from '../../lib/errors.ts'
import { claimDelivery, strayStored, type Claim, type Delivery } from '../../lib/intake/pending-deliveries.ts'
import { fingerprint, nextSeq } from '../../lib/messages/fingerprint.ts'
import { parse, type Parsed, type Rules } from '../../lib/messages/parse.ts'
import type { Outbox } from '../../lib/registry/outbox.ts'
import { elsewhere } from '../../lib/store/dialects/agent-columns.ts'
import type { Store } from '../../lib/store/store.ts'
import { day } from '../../lib/time.ts'
import type { Say } from '../shared/language.ts'
import type { RedMessage } from '../shared/red.ts'
import type { Warnings } from '../shared/warnings.ts'

export interface StoringOptions {
  /** The node's. */
  id: string
  store: Store
  /** Gets what was stored. */
  outbox: Outbox
  warnings: Warnings
  say: Say
  /** An error with its advice, in the reader's language. */
  tell (error: PlatziverseError): string
}

type Done = (error?: Error) => void

/** For messages that do not come from agent-in: no times of a clock that was never set, and none in the future, which would stay the newest. */
const directRules: Rules = { past: Date.now() - Date.UTC(2000, 0), future: day, outside: 'reject', numericText: false }

/** Makes the function that stores one message: it settles the delivery after the commit, and then gives the message to the outbox. */
export function storing ({ id, store, outbox, warnings, say, tell }: StoringOptions): (msg: RedMessage, done: Done) => void {
  return (msg, done) => {
    const carried = msg.delivery as Partial<Delivery> | undefined
    // A function that makes a new message keeps _msgid alone, which agent-in made the delivery's.
    const claim = claimDelivery(carried?.id ?? msg._msgid)
    const delivery = carried ?? claim?.delivery
    const receivedAt = delivery?.receivedAt ?? Date.now()
    const parsed = parse(msg.topic, msg.payload, receivedAt, undefined, delivery === undefined ? directRules : undefined)
    if (!parsed.ok) {
      const error = new Error(`${parsed.reason}: ${parsed.detail}`)
      // agent-in lets only good messages through, so the flow broke it: the sender keeps it until the flow is repaired.
      claim?.settle(error)
      return done(error)
    }
    if (parsed.bad.length > 0 || parsed.notice !== undefined) warnOf(parsed, warnings, say)
    const { message } = parsed
    if (message.kind === 'message') {
      const { payload } = message
      if (parsed.untimed) payload.seq ??= delivery?.fingerprint ?? nextSeq()
      // The number is agent-in's, not the sender's: messages that the flow made of one get different numbers, the same ones at each redelivery.
      const same = claim !== undefined && payload.seq === claim.delivery.fingerprint ? claim.countSame(id, payload.metrics) : 0
      if (same > 0) payload.seq = fingerprint(`${payload.seq}/${same}`)
    }
    // agent-in gave both the same id: a flow that changed one of them made the message nobody's.
    if (claim === undefined && (carried === undefined || carried.id !== msg._msgid)) strayStored(message.payload.agent.uuid)
    if (delivery?.observed === true && message.kind === 'disconnected') {
      observed(message.payload.agent.uuid, receivedAt, store).then(isNews => {
        if (isNews) return outbox.pass({ msg, claim, sent: done })
        claim?.settle()
        done()
      }, (error: Error) => {
        claim?.settle(error)
        done(error)
      })
      return
    }
    // A store that was closed gives it back: by the clock of then it is known what came before it.
    const sender = claim !== undefined && message.kind === 'disconnected' ? { ...delivery, queuedAt: claim.takenAt } : delivery
    store.write(message, receivedAt, (error, stored) => {
      if (error === null && stored?.outdated === true) {
        // A goodbye that comes after the agent is back would only mislead whoever gets it.
        claim?.settle()
        done()
      } else if (error === null) {
        msg.payload = message.payload
        msg.stored = stored
        outbox.pass({ msg, claim, sent: done })
      } else if (error.code === 'STORE_CLOSED' && claim === undefined) {
        // Nobody else has it, and the node's next instance stores it.
        outbox.forward(msg, () => { done(error) })
      } else if (error.code === 'STORE_CLOSED') {
        // Its sender or agent-in gives it again: nothing is wrong with it, and of thousands that wait at a deploy one says as much as all.
        claim?.release()
        warnings.warn('closed', tell(error))
      } else {
        endClaim(claim, error)
        done(error)
      }
    }, carried?.fingerprint, claim?.bytes, sender)
  }
}

/** Each worker hears from the broker that a client went. @returns whether this one is the first to disconnect its agent, and nothing was heard of it since */
async function observed (uuid: string, receivedAt: number, store: Store): Promise<boolean> {
  return (await store.disconnectSilent(receivedAt, { uuid, instance: elsewhere })).length > 0
}

function endClaim (claim: Claim | undefined, error: PlatziverseError): void {
  // What the database refuses is acknowledged: it must not come back for ever. Anything else will be sent again.
  if (error.code === 'STORE_DATA_REFUSED') claim?.settle()
  else claim?.settle(error)
}

function warnOf ({ bad: [first, ...others], notice }: Extract<Parsed, { ok: true }>, warnings: Warnings, say: Say): void {
  if (first !== undefined) {
    const details = [first, ...others.slice(0, 2)].map(({ detail }) => say(detail)).join(' ')
    const all = others.length > 2 ? say('{1} And {2} more.', details, String(others.length - 2)) : details
    warnings.warn('metrics', say('Metrics were left out, and the others of their message stored: {1}', all))
  }
  if (notice !== undefined) warnings.warn('time', say(notice.detail))
}

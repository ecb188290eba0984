import { connectionFault, isCertificateFault } from '../../connection-fault.ts'
import type { IDisconnectPacket, IPublishPacket } from 'mqtt-packet'
import { PlatziverseError } from '../../errors.ts'
import { nameOf } from '../reason-codes.ts'
import { largestPacket, type Oversized } from './packet-limit.ts'

/** Characters of a topic in what is reported. */
const mostShown = 200
/** Characters of a broker's own text that are shown. */
const mostSaid = 500

/** The return codes of CONNACK in MQTT 3.1.1 and the reason codes of MQTT 5 that mean the login or the client id. */
const refusals: Record<number, string> = {
  2: 'the client id is not accepted',
  4: 'wrong username or password',
  5: 'not authorized',
  0x85: 'the client id is not accepted',
  0x86: 'wrong username or password',
  0x87: 'not authorized',
  0x8a: 'banned'
}

/** Whatever answers at the address, such as a web server: its first words are no packet. */
export const noBroker = 'what answers there is no MQTT broker'

/** What the broker answers to a protocol version that it does not speak. */
export function isOtherVersion (code: number): boolean {
  return code === 1 || code === 0x84
}

/** Why the broker did not let this client in. @param code of CONNACK */
export function refusalOf (code: number): PlatziverseError {
  const reason = refusals[code]
  if (reason !== undefined) return new PlatziverseError('BROKER_REFUSED', `The broker refused the connection: ${reason}.`)
  return new PlatziverseError('BROKER_UNREACHABLE', `The broker refused the connection with code ${code}.`)
}

/** Why the connection ended. @param thrown undefined: the broker closed it */
export function faultOf (thrown: Error | undefined): PlatziverseError {
  if (thrown instanceof PlatziverseError) return thrown
  if (thrown === undefined) return new PlatziverseError('BROKER_UNREACHABLE', 'The broker closed the connection.')
  const { cause, text } = connectionFault(thrown)
  const code = isCertificateFault(cause.code) ? 'BROKER_CERTIFICATE_REFUSED' : 'BROKER_UNREACHABLE'
  return new PlatziverseError(code, `${text}.`, { cause })
}

/** The broker breaks the protocol. @param what a packet's type */
export function unexpected (what: string): Error {
  return new Error(`the broker sent ${what.toUpperCase()} where it may not`)
}

/** What is wrong with a message so that it can neither be taken nor acknowledged. @returns undefined: nothing */
export function faultOfMessage ({ topic, qos, messageId = 0, properties }: IPublishPacket): Error | undefined {
  // This side allows no aliases: without its topic nobody knows what a message is.
  if (topic === '' || properties?.topicAlias !== undefined) return new Error('the broker sent a message without its topic')
  return qos > 0 && messageId < 1 ? new Error('the broker sent a message without a packet id') : undefined
}

/** A message was stepped over. @param largest bytes that are taken */
export function tooLarge ({ topic, bytes }: Pick<Oversized, 'topic' | 'bytes'>, largest = largestPacket): PlatziverseError {
  return new PlatziverseError('BROKER_PACKET_TOO_LARGE', `A message on ${JSON.stringify(topic.slice(0, mostShown))} has ${bytes} bytes, of ${largest} that are taken.`)
}

/**
 * The seconds after which a broker is asked whether it is there: as often as either side wants it.
 * @param own 0: this side does not @param theirs as the broker says in CONNACK; 0: it does not
 */
export function keepaliveOf (own: number, theirs: unknown): number {
  if (!Number.isInteger(theirs) || Number(theirs) <= 0) return own
  return own === 0 ? Number(theirs) : Math.min(own, Number(theirs))
}

/** @param more why that is thought, where the broker did not say so */
export function clientIdTaken (clientId: string, more = ''): PlatziverseError {
  return new PlatziverseError('BROKER_CLIENT_ID_TAKEN', `Another client seems to use the client id ${JSON.stringify(clientId)}.${more}`)
}

/** DISCONNECT of MQTT 5: another client came with the same client id. */
export const takenOver = 0x8e

/**
 * DISCONNECT of MQTT 5 for what lies with the server or the client: busy, shutting down, keep alive, taken over, a quota, ended by an administrator, moved,
 * rate. Brokers of this package say 0x89 and 0x97 where they could not store a message for now.
 */
const ofNoMessage = new Set([0x89, 0x8b, 0x8d, takenOver, 0x97, 0x98, 0x9c, 0x9d, 0x9f, 0xa0])

/** Whether a broker that ends a connection with this code does so whatever it was given. */
export function isOfNoMessage (code: number): boolean {
  return ofNoMessage.has(code)
}

/** What a broker says in a DISCONNECT of MQTT 5. */
export class HungUp extends Error {
  readonly code: number

  constructor ({ reasonCode = 0, properties }: Pick<IDisconnectPacket, 'reasonCode' | 'properties'>) {
    super(`the broker hung up: ${reasonText(reasonCode, properties?.reasonString)}`)
    this.code = reasonCode
  }
}

/** @param said the broker's own text, where there is one */
export function reasonText (code: number, said?: unknown): string {
  const name = nameOf(code)
  return typeof said === 'string' && said !== '' ? said.slice(0, mostSaid).replace(/\.$/, '') : name ?? `code 0x${code.toString(16)}`
}

/**
 * Whether a broker may have ended a connection over a message: it said nothing, it closed while more was on the way to it, or it refused with a reason that
 * the protocol does not have there, as Mosquitto does where a message is too large.
 * @param cause of the end, where there is one
 */
export function isHangUp (cause: Error | undefined): boolean {
  if (cause === undefined) return true
  if (cause instanceof HungUp) return !isOfNoMessage(cause.code)
  const { code } = cause as { code?: unknown }
  return code === 'ECONNRESET' || code === 'EPIPE' || /reason code$/.test(cause.message)
}

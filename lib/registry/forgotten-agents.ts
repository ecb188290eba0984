import { EventEmitter } from 'node:events'

const events = new EventEmitter<{ forgotten: [uuid: string] }>().setMaxListeners(0)

/** A database of this process has forgotten an agent. */
export function agentForgotten (uuid: string): void {
  events.emit('forgotten', uuid)
}

/**
 * Be told of each agent that a database of this process forgets: what else is kept of it can go, such as its retained messages.
 * @returns ends this
 */
export function onAgentForgotten (listener: (uuid: string) => void): () => void {
  events.on('forgotten', listener)
  return () => { events.off('forgotten', listener) }
}

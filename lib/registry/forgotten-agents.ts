import { EventEmitter } from 'node:events'

const events = new EventEmitter<{ forgotten: [uuid: string] }>().setMaxListeners(0)

/** A database of this process has forgotten an agent. */
export function agentForgotten (uuid: string): void {
  events.emit('forgotten', uuid)
}

/**
 * Call `listener` for each agent that a database of this process forgets, so that whatever else is kept for it, such as retained messages,
 * can be removed.
 * @returns ends this
 */
export function onAgentForgotten (listener: (uuid: string) => void): () => void {
  events.on('forgotten', listener)
  return () => { events.off('forgotten', listener) }
}

import { post } from '../../shared/editor/form.ts'
import { RED, textIfAny, textsOf, type EditorNode } from '../../shared/editor/red.ts'
import type { Refusal } from '../../shared/refusal.ts'
import type { BrokerConfig, BrokerCredentials } from '../config.ts'

// What the parts of the form share.

export type BrokerNode = EditorNode & BrokerConfig & { credentials?: BrokerCredentials }

export const text = textsOf('platziverse-broker')

/** Whether the form of a node is the one that is open; true from `oneditprepare` on. */
export function isOpen (node: EditorNode): boolean {
  return $('#node-input-users').data('node') === node.id
}

/** Asks the runtime; see admin.ts. @throws Error whose message is for the user */
export async function ask<Answer> (path: string, body: object): Promise<Answer> {
  try {
    return await post<Answer>(`broker/${path}`, body)
  } catch (failed) {
    const { responseJSON: { code } = {} } = failed as { responseJSON?: Partial<Refusal> }
    const message = code && textIfAny(text, `platziverse-broker.failure.${code}`)
    throw new Error(message || text('platziverse-broker.failure.unreachable'), { cause: failed })
  }
}

/** Shows an error of `ask`. */
export function complain (error: Error): void {
  RED.notify(error.message, 'error')
}

import { post } from '../../shared/editor/form.ts'
import { RED, textsOf, type EditorNode } from '../../shared/editor/red.ts'
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
    const { responseJSON } = failed as { responseJSON?: { code?: string } }
    const code = responseJSON?.code ?? ''
    const message = codes.includes(code) ? text(`platziverse-broker.failure.${code}`) : text('platziverse-broker.failure.unreachable')
    throw new Error(message, { cause: failed })
  }
}

const codes = ['PASSWORD_INVALID', 'TEXT_INVALID', 'RULES_INVALID']

/** Shows an error of `ask`. */
export function complain (error: Error): void {
  RED.notify(error.message, 'error')
}

import { RED, shared, textsOf, type EditorNode } from '../shared/editor/red.ts'
import type { BrokerConfig, BrokerCredentials } from './config.ts'

// What the tabs of the form share, and what they use of the editor beside nodes/shared/editor/red.ts.

interface Tab {
  id: string
  label: string
}

interface Tabs {
  addTab (tab: Tab): void
  activateTab (id: string): void
}

interface FormEditor {
  tabs: { create (options: { id: string, onchange (tab: Tab): void }): Tabs }
  notify (text: string, type: 'error'): void
}

export const { tabs, notify } = RED as unknown as FormEditor

export type BrokerNode = EditorNode & BrokerConfig & { credentials?: BrokerCredentials }

export const text = textsOf('platziverse-broker')

/** Whether the form of a node is the one that is open; true from `oneditprepare` on. */
export function isOpen (node: EditorNode): boolean {
  return $('#node-input-users').data('node') === node.id
}

/** Shows on a tab that something in it is wrong: it may be out of sight. */
export function markTab (name: 'listeners' | 'users' | 'rules' | 'limits', wrong: boolean): void {
  $(`#red-ui-tab-platziverse-broker-${name}-tab`).toggleClass('platziverse-broker-wrong', wrong)
}

/** A whole number from `min` to `max`, or an environment variable that Node-RED looks up. */
export function numberProblem (value: unknown, label: string, min: number, max = Number.MAX_SAFE_INTEGER): string | undefined {
  const given = String(value ?? '').trim()
  const number = given === '' ? Number.NaN : Number(given)
  if (isVariable(given) || (Number.isInteger(number) && number >= min && number <= max)) return undefined
  return max === Number.MAX_SAFE_INTEGER
    ? shared('shared.validation.atLeast', { label, min })
    : shared('shared.validation.between', { label, min, max })
}

export function isVariable (value: string): boolean {
  return /^\$(\{[a-z_]\w*\}|\([a-z_]\w*\))$/i.test(value)
}

/** A number where it is one, as the defaults are; else the text, such as `${PORT}`. */
export function numberOrText (value: string): number | string {
  return value === '' || Number.isNaN(Number(value)) ? value : Number(value)
}

/** Equal as saved: old nodes lack properties that new ones have. */
export function equal (a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** Asks the runtime; see admin.ts. @throws Error whose message is for the user */
export async function ask<Answer> (path: string, body: object): Promise<Answer> {
  try {
    // Relative: Node-RED adds its root and the user's token.
    const request = { url: `platziverse/broker/${path}`, method: 'POST', contentType: 'application/json', data: JSON.stringify(body) }
    return await $.ajax(request) as Answer
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
  notify(error.message, 'error')
}

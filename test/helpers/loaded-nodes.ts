import type { Node } from 'node-red'
import helper from 'node-red-node-test-helper'
import { once } from './events.ts'

/** What a node showed as its status. */
export interface Status { fill?: string, shape?: string, text?: string }

interface Spy { getCalls (): Array<{ thisValue: unknown, args: unknown[] }> }

/** The test helper's own `load`, whose types know one node alone, and no credentials of config nodes. */
export function loadNodes (nodes: unknown, flow: readonly object[], credentials: object = {}): Promise<void> {
  return helper.load(nodes as never, flow as never, credentials as never)
}

/** The first argument of the first call of a node's method that passes `check`; the test helper spies on them. */
export async function called<First> (node: Node, method: 'status' | 'warn' | 'error' | 'log', check: (first: First) => boolean): Promise<First> {
  const spy = node[method] as unknown as Spy
  const signal = AbortSignal.timeout(10_000)
  for (;;) {
    const found = spy.getCalls().find(({ thisValue, args: [first] }) => thisValue === node && check(first as First))
    if (found) return found.args[0] as First
    await once(node, `call:${method}`, { signal })
  }
}

/** For `called`: a status whose text matches. */
export function withText (pattern: RegExp): (status: Status) => boolean {
  return ({ text = '' }) => pattern.test(text)
}

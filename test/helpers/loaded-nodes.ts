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

type Method = 'status' | 'warn' | 'error' | 'log'

/** The first arguments of the calls of a node's method. The test helper spies on the methods, which all nodes share. */
export function callsOf<First> (node: Node, method: Method): First[] {
  // A node may have a method of its own in front of it.
  const spy = (Object.getPrototypeOf(node) as Node)[method] as unknown as Spy
  return spy.getCalls().filter(({ thisValue }) => thisValue === node).map(({ args: [first] }) => first as First)
}

/** The first argument of the first call of a node's method that passes `check`. */
export async function called<First> (node: Node, method: Method, check: (first: First) => boolean): Promise<First> {
  const signal = AbortSignal.timeout(10_000)
  for (;;) {
    const found = callsOf<First>(node, method).find(check)
    if (found !== undefined) return found
    await once(node, `call:${method}`, { signal })
  }
}

/** For `called`: a status whose text matches. */
export function withText (pattern: RegExp): (status: Status) => boolean {
  return ({ text = '' }) => pattern.test(text)
}

import type { NodeStatus } from 'node-red'
import type { ErrorCode } from '../../lib/errors.ts'
import type { RED, RedNode } from './red.ts'

export interface StatusLine {
  /** Shows `status` soon; of several within a short time, only the last. A function is asked only then: undefined: nothing changes. */
  show (status: NodeStatus | (() => NodeStatus | undefined)): void
  close (): void
}

export interface LiveStatus {
  /** Looks now as well. */
  show (): void
  close (): void
}

const shortest = 500
/** ms between two looks at what there is to show. */
const lookEvery = 1_000

/** All is well. */
export const good = (text: string): NodeStatus => ({ fill: 'green', shape: 'dot', text })
/** Under way, or waiting for something that is expected to come. */
export const pending = (text: string): NodeStatus => ({ fill: 'yellow', shape: 'ring', text })
/** It does not work. */
export const bad = (text: string): NodeStatus => ({ fill: 'red', shape: 'ring', text })

/** The texts that several nodes share are the broker's. */
const catalogue = '@platziverse/node-red-platziverse/platziverse-broker'

/** A few words for what is wrong; the code of an error that has none. Node-RED writes all about it into the debug sidebar. */
export function problemText (RED: RED, code: ErrorCode): string {
  const key = `shared.problem.${code}`
  const text = RED._(`${catalogue}:${key}`)
  return text.endsWith(key) ? code : text
}

/** Joins the parts that there are into one line. */
export function joined (...parts: Array<string | false | undefined>): string {
  return parts.filter(part => part !== false && part !== undefined && part !== '').join(' · ')
}

/** A node's status, sent to the editor at most twice a second and only when it changed: status updates cost more than messages. */
export function statusLine (node: RedNode): StatusLine {
  let shown = ''
  let next: NodeStatus | (() => NodeStatus | undefined) | undefined
  let timer: NodeJS.Timeout | undefined
  let closed = false

  function flush (): void {
    timer = undefined
    const status = typeof next === 'function' ? next() : next
    if (next === undefined) return
    next = undefined
    timer = setTimeout(flush, shortest).unref()
    if (status === undefined) return
    const text = JSON.stringify(status)
    if (text === shown) return
    shown = text
    node.status(status)
  }

  return {
    show (status) {
      // Work that was under way may end after its node was closed.
      if (closed) return
      next = status
      if (timer === undefined) flush()
    },
    close () {
      closed = true
      clearTimeout(timer)
      node.status({})
    }
  }
}

/**
 * Shows what `statusOf` answers, looked at every second.
 * @param first ms until the first look; 0: now
 */
export function liveStatus (node: RedNode, statusOf: () => NodeStatus, first = 0): LiveStatus {
  const line = statusLine(node)
  const show = (): void => { line.show(statusOf) }
  const early = first > 0 ? setTimeout(show, first) : undefined
  if (first === 0) show()
  const timer = setInterval(show, lookEvery)
  return {
    show,
    close () {
      clearTimeout(early)
      clearInterval(timer)
      line.close()
    }
  }
}

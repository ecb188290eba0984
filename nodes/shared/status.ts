import type { NodeStatus } from 'node-red'
import type { RedNode } from './red.ts'

export interface StatusLine {
  /** Show `status` soon; of many in a short time only the last is shown. */
  show (status: NodeStatus): void
  close (): void
}

const shortest = 500

/** A node's status, sent to the editor at most twice a second and only when it changed: status updates cost more than messages. */
export function statusLine (node: RedNode): StatusLine {
  let shown = ''
  let next: NodeStatus | undefined
  let timer: NodeJS.Timeout | undefined
  let closed = false

  function flush (): void {
    timer = undefined
    if (next === undefined) return
    const text = JSON.stringify(next)
    if (text !== shown) {
      shown = text
      node.status(next)
      timer = setTimeout(flush, shortest).unref()
    }
    next = undefined
  }

  return {
    show (status) {
      // Something that was under way may end after its node was closed.
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

import type { Duplex } from 'node:stream'

/**
 * Let everything that is written to a stream in one turn of the event loop leave together: a system call for all of it in
 * place of one per packet. mqtt-packet corks the stream for each packet, so that is where packets are counted too.
 * @param counted called for each packet
 */
export function corkPerTurn (stream: Duplex, counted: () => void): void {
  const cork = stream.cork.bind(stream)
  const uncork = stream.uncork.bind(stream)
  let corked = false
  const release = (): void => {
    corked = false
    uncork()
  }
  stream.cork = () => {
    counted()
    if (corked) return
    corked = true
    cork()
    setImmediate(release)
  }
  stream.uncork = () => undefined
}

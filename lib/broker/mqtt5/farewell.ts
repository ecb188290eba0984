import type { Duplex } from 'node:stream'

/** ms that a client has to read the last packet and to hang up, and bytes that it may still send meanwhile. */
const patience = 1_000
const mostDiscarded = 65_536
/** Bytes that a client may have unread and still be told anything: it would have to read those first. */
const mostUnread = 65_536

/** Says the last packet to a client, if there is one to say; undefined: there is none. */
type LastWords = () => Buffer | undefined

/**
 * Let a connection end with a last packet. Whatever ends it (aedes, a limit, an operator) destroys the stream, which would take the
 * packet along: so it is written first, and the stream goes once the client has hung up, or soon.
 * @param went is called when the last packet was written, so that nobody takes the client for connected any more
 */
export function lingerWithLastWords (stream: Duplex, lastWords: LastWords, went: () => void): void {
  const destroy = stream.destroy
  let lingers = false
  stream.destroy = function (this: Duplex, error?: Error): Duplex {
    if (lingers) return this
    // A client that has hung up needs no reason, and would not hang up once more.
    const isHeard = !stream.destroyed && stream.writable && !stream.readableEnded && stream.writableLength <= mostUnread
    const packet = isHeard ? lastWords() : undefined
    stream.destroy = destroy
    if (packet === undefined) return destroy.call(this, error)
    lingers = true
    stream.destroy = lingering
    stream.write(packet)
    const end = (): void => {
      clearTimeout(timer)
      stream.destroy = destroy
      stream.destroy()
    }
    const timer = setTimeout(end, patience).unref()
    // What still comes is not looked at.
    let discarded = 0
    stream.removeAllListeners('readable')
    Reflect.deleteProperty(stream, 'read')
    stream.on('data', (chunk: Buffer) => { if ((discarded += chunk.length) > mostDiscarded) end() })
    stream.on('end', end)
    stream.on('error', end)
    stream.end()
    stream.resume()
    setImmediate(went)
    return this
  } as Duplex['destroy']
}

function lingering (this: Duplex): Duplex {
  return this
}

import { EventEmitter, once as nodeOnce } from 'node:events'

/** Whatever emits events: of Node.js, of MQTT.js, or one of ours that names its events in its type. */
export interface Emitter { on (event: never, listener: never): unknown }

/** Node's own, which takes an emitter whatever events its type names. */
export function once (emitter: Emitter, event: string, options?: { signal: AbortSignal }): ReturnType<typeof nodeOnce> {
  return nodeOnce(emitter as EventEmitter, event, options)
}

/** Once a socket, or a client on one, has closed, whether or not with an error: a broker that hangs up with bytes unread resets it, at which `once` would reject. */
export async function closing (emitter: Emitter): Promise<void> {
  await new Promise<void>(resolve => { (emitter as EventEmitter).once('close', () => { resolve() }) })
}

/** The first event that passes `test`, or an error after `ms`. */
export async function waitFor<T> (emitter: Emitter, event: string, test: (value: T) => boolean = () => true, ms = 30_000): Promise<T> {
  const signal = AbortSignal.timeout(ms)
  for (;;) {
    const [value] = await once(emitter, event, { signal }).catch((error: unknown) => { throw signal.aborted ? new Error(`no such event "${event}" within ${ms} ms`) : error })
    if (test(value as T)) return value as T
  }
}

/** Ask again until the answer passes `test`, for what has no event to wait for. */
export async function until<T> (ask: () => T | Promise<T>, test: (value: T) => boolean, ms = 30_000): Promise<T> {
  const deadline = Date.now() + ms
  for (;;) {
    const value = await ask()
    if (test(value)) return value
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms; last answer: ${JSON.stringify(value)}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

import { PlatziverseError } from '../../errors.ts'
import type { Problems } from '../../problems.ts'
import type { Sender } from './sender.ts'

// What a broker does not say by itself, though messages do not come because of it.

/** Where Mosquitto says how many messages it has dropped since it was started, within ten seconds after that. */
const droppedTopic = '$SYS/broker/publish/messages/dropped'
/** ms after which a worker that was given nothing says so. */
const patience = 60_000
/** Filters that it names. */
const mostNamed = 5

/**
 * Tells that a broker drops messages because too many wait for a client: it has acknowledged them, and nothing else says so.
 * Brokers without this topic say nothing here.
 * @returns ends it
 */
export function watchDropped (sender: Pick<Sender, 'subscribe'>, problems: Problems): () => void {
  let before: number | undefined
  return sender.subscribe(droppedTopic, ({ payload, retain }) => {
    const dropped = Number(payload.toString())
    if (!Number.isSafeInteger(dropped)) return
    // What is retained was before; to a client of MQTT 5 Mosquitto gives it for a minute only, and else nothing until there is more.
    const more = dropped - (before ?? (retain ? dropped : 0))
    before = dropped
    if (more > 0) problems.report('dropped', new PlatziverseError('BROKER_DROPPED', `The broker dropped ${more} messages, because too many were waiting for a client.`))
  }, { optional: true })
}

/**
 * Tells once that nothing came since the start: a broker may grant a subscription, and then give nothing.
 * @param hears whether anything came; undefined: nothing can come now
 * @param filters what was subscribed to
 * @returns ends it
 */
export function watchSilence (hears: () => boolean | undefined, filters: () => readonly string[], problems: Problems): () => void {
  const timer = setInterval(() => {
    const heard = hears()
    if (heard === undefined) return
    clearInterval(timer)
    if (!heard) problems.report('silence', new PlatziverseError('BROKER_SILENT', `Within a minute no message came for ${filters().slice(0, mostNamed).join(', ')}.`))
  }, patience).unref()
  return () => { clearInterval(timer) }
}

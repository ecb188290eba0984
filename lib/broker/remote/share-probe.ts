import type { Sender } from './sender.ts'

/** ms that the message to the shared subscription may come later than the other one. */
const patience = 3_000

/**
 * Find out whether a broker shares subscriptions. RabbitMQ 3 and NATS 2 grant `$share/group/filter` and take it for a topic like any other: nothing ever
 * comes, and nothing says so. The group is this worker's own, so that no other one gets the message.
 * @param signal ends the wait
 * @returns undefined: it could not be found out, such as where this worker may not publish
 */
export function sharesSubscriptions (sender: Pick<Sender, 'subscribe' | 'publish'>, clientId: string, signal: AbortSignal): Promise<boolean | undefined> {
  const name = topicLevel(clientId)
  const [shared, plain] = [`platziverse/probe/${name}/shared`, `platziverse/probe/${name}/plain`]
  return new Promise(resolve => {
    const ends: Array<() => void> = []
    const end = (answer: boolean | undefined): void => {
      for (const each of ends.splice(0)) each()
      resolve(answer)
    }
    ends.push(sender.subscribe(`$share/${name}/${shared}`, () => { end(true) }))
    // Where this one does not come either, the other one proves nothing.
    ends.push(sender.subscribe(plain, () => {
      const timer = setTimeout(() => { end(false) }, patience).unref()
      ends.push(() => { clearTimeout(timer) })
    }))
    const timer = setTimeout(() => { end(undefined) }, 3 * patience).unref()
    ends.push(() => { clearTimeout(timer) })
    signal.addEventListener('abort', () => { end(undefined) }, { once: true })
    Promise.all([shared, plain].map(topic => sender.publish({ topic, payload: '', qos: 1, retain: false }))).catch(() => { end(undefined) })
  })
}

/** A client id as one level of a topic, of characters that every broker takes. */
function topicLevel (clientId: string): string {
  return clientId.replace(/[^\w-]/g, '_')
}

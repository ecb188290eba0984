import type { ClientInfo } from '../broker/broker.ts'
import type { ClientOverview, List } from './shown.ts'

/** Most subscriptions of a client that are told, and most characters of each: clients choose how many there are, and how long. */
const mostSubscriptions = 20
const longestTopic = 200

/**
 * The clients of some brokers that a search finds, by their client ids.
 * @param search as `Asked`
 * @param most rows
 */
export function clientsOf (brokers: Iterable<[id: string, broker: { clients (): ClientInfo[] }]>, { search, most }: { search: string, most: number }): List<ClientOverview> {
  const wanted = search.toLowerCase()
  const has = (text: string | undefined): boolean => text?.toLowerCase().includes(wanted) === true
  let total = 0
  const found: Array<ClientInfo & { broker: string }> = []
  for (const [id, broker] of brokers) {
    for (const client of broker.clients()) {
      total++
      if (wanted === '' || has(client.clientId) || has(client.username) || has(client.address)) found.push(Object.assign(client, { broker: id }))
    }
  }
  found.sort((a, b) => a.clientId < b.clientId ? -1 : a.clientId > b.clientId ? 1 : 0)
  const rows = found.slice(0, most).map(client => ({
    ...client,
    subscribed: client.subscriptions.length,
    subscriptions: client.subscriptions.slice(0, mostSubscriptions).map(({ topic, qos }) => ({ topic: topic.length > longestTopic ? `${topic.slice(0, longestTopic)}…` : topic, qos }))
  }))
  return { total, found: found.length, rows }
}

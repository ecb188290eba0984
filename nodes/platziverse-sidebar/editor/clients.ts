import type { ClientOverview, List } from '../../../lib/overview/shown.ts'
import { iconButton } from './dom.ts'
import { itemRow } from './item.ts'
import { Section } from './section.ts'
import { line, numberText, text, timeText } from './words.ts'

export interface ClientsOptions {
  /** See `SectionOptions`. */
  asks (): void
  /** The name of a broker; undefined where there is one only. */
  brokerName (id: string): string | undefined
  /** Absent: the user may not. */
  disconnect?: (client: ClientOverview, name: string) => void
}

export interface ClientsSection {
  section: Section<ClientOverview>
  show (clients: List<ClientOverview>, isSearch: boolean): void
}

/** The section of the clients. */
export function clientsSection ({ asks, brokerName, disconnect }: ClientsOptions): ClientsSection {
  /** Two brokers may have clients of one name. */
  const nameOf = ({ broker, clientId }: ClientOverview): string => {
    const name = brokerName(broker)
    return name === undefined ? clientId : `${clientId} (${name})`
  }
  const section = new Section<ClientOverview>({
    name: 'clients',
    isOpen: true,
    keyOf: ({ broker, clientId }) => `${broker} ${clientId}`,
    asks,
    row: first => itemRow(first, {
      say: ({ broker, clientId, username, address, clean, version, connectedAt, subscriptions, subscribed }) => ({
        tone: 'good',
        name: clientId,
        glance: line(text('platziverse-sidebar.state.connected'), username, address, brokerName(broker)),
        facts: [
          [text('platziverse-sidebar.fact.since'), timeText(connectedAt)],
          [text('platziverse-sidebar.fact.protocol'), `MQTT ${version}`],
          [text('platziverse-sidebar.fact.session'), text(clean ? 'platziverse-sidebar.client.clean' : 'platziverse-sidebar.client.kept')],
          [text('platziverse-sidebar.fact.subscriptions'), subscribed === 0
            ? text('platziverse-sidebar.client.unsubscribed')
            : [...subscriptions.map(({ topic, qos }) => `${topic} (QoS ${qos})`), ...subscribed > subscriptions.length ? ['…'] : []].join('\n')]
        ]
      }),
      actions: client => disconnect === undefined
        ? []
        : [iconButton('power-off', text('platziverse-sidebar.action.disconnectNamed', { name: nameOf(first) }), () => { disconnect(client(), nameOf(client())) })]
    })
  })
  return {
    section,
    show ({ total, found, rows }, isSearch) {
      const count = isSearch ? text('platziverse-sidebar.list.found', { found: numberText(found), total: numberText(total) }) : numberText(total)
      section.show(rows, { found, count, none: text(isSearch ? 'platziverse-sidebar.none.found' : 'platziverse-sidebar.none.clients') })
    }
  }
}

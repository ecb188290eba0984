import type { BrokerOverview, DatabaseOverview } from '../../../lib/overview/shown.ts'
import { RED } from '../../shared/editor/red.ts'
import { iconButton } from './dom.ts'
import { itemRow, type Tone } from './item.ts'
import { Section } from './section.ts'
import { databaseText, line, numberText, text } from './words.ts'

const tones: Record<BrokerOverview['state'] | DatabaseOverview['state'], Tone> = {
  listening: 'good', connected: 'good', ready: 'good', starting: 'away', opening: 'away', closed: 'away', failed: 'bad', waiting: 'bad'
}

/** The section of the brokers. @param asks see `SectionOptions` */
export function brokersSection (asks: () => void): { section: Section<BrokerOverview>, show (brokers: BrokerOverview[], now: number): void } {
  const rates = new Rates()
  const section = new Section<BrokerOverview>({
    name: 'brokers',
    isOpen: true,
    keyOf: ({ id }) => id,
    asks,
    row: first => itemRow(first, {
      say: broker => {
        const { state, ports, address, isElsewhere, code, detail, clients, received, delivered, refused, dropped } = broker
        return {
          tone: tones[state],
          name: nameOf(broker),
          glance: state === 'failed'
            ? line(text(`platziverse-sidebar.state.${state}`), detail)
            : line(text(`platziverse-sidebar.state.${state}`), address ?? ports.join(', '), isElsewhere ? undefined : text('platziverse-sidebar.broker.clients', { count: clients }), rates.text(broker)),
          facts: [
            ...code === undefined ? [] : [[text('platziverse-sidebar.fact.code'), code] as [string, string]],
            [text('platziverse-sidebar.fact.received'), numberText(received)],
            [text('platziverse-sidebar.fact.delivered'), numberText(delivered)],
            ...isElsewhere ? [] : [[text('platziverse-sidebar.fact.refused'), numberText(refused)] as [string, string]],
            [text('platziverse-sidebar.fact.dropped'), numberText(dropped)]
          ]
        }
      },
      actions: broker => RED.nodes.node(first.id) === undefined
        ? []
        : [iconButton('crosshairs', text('platziverse-sidebar.action.reveal', { name: nameOf(broker()) }), () => { RED.view.reveal(broker().id, true) })]
    })
  })
  return {
    section,
    show (brokers, now) {
      rates.take(brokers, now)
      section.show(brokers, { found: brokers.length, count: '', none: text('platziverse-sidebar.none.brokers') })
    }
  }
}

export function nameOf ({ name, ports, address }: Pick<BrokerOverview, 'name' | 'ports' | 'address'>): string {
  return name || `MQTT ${address ?? ports.join(', ')}`.trim()
}

/** The section of the databases. */
export function databasesSection (asks: () => void): { section: Section<DatabaseOverview>, show (databases: DatabaseOverview[]): void } {
  const section = new Section<DatabaseOverview>({
    name: 'databases',
    isOpen: true,
    keyOf: ({ id }) => id,
    asks,
    row: first => itemRow(first, {
      say: ({ id, state, name, detail, code, counted, queued, spooled }) => ({
        tone: tones[state],
        name: databaseText({ id, name }),
        glance: line(text(`platziverse-sidebar.state.${state}`), state === 'waiting' ? detail : counted && metricsText(counted)),
        facts: [
          ...code === undefined ? [] : [[text('platziverse-sidebar.fact.code'), code] as [string, string]],
          [text('platziverse-sidebar.fact.queued'), numberText(queued)],
          [text('platziverse-sidebar.fact.spooled'), numberText(spooled)]
        ]
      })
    })
  })
  return {
    section,
    show (databases) {
      section.show(databases, { found: databases.length, count: '', none: text('platziverse-sidebar.none.databases') })
    }
  }
}

function metricsText ({ metrics, isAll }: NonNullable<DatabaseOverview['counted']>): string {
  return text('platziverse-sidebar.database.metrics', { count: metrics, metrics: `${isAll ? '' : '> '}${numberText(metrics)}` })
}

/** How many messages a second came to each broker between the last two looks. */
class Rates {
  #before = new Map<string, { received: number, at: number, rate: number | undefined }>()

  /** @param now UTC ms of the runtime */
  take (brokers: BrokerOverview[], now: number): void {
    this.#before = new Map(brokers.map(({ id, received }) => {
      const before = this.#before.get(id)
      if (before === undefined || received < before.received) return [id, { received, at: now, rate: undefined }]
      const seconds = (now - before.at) / 1_000
      return [id, seconds < 0.5 ? before : { received, at: now, rate: (received - before.received) / seconds }]
    }))
  }

  text ({ id }: BrokerOverview): string | undefined {
    const rate = this.#before.get(id)?.rate
    if (rate === undefined) return undefined
    const count = rate < 10 ? Math.round(rate * 10) / 10 : Math.round(rate)
    return text('platziverse-sidebar.broker.rate', { count, rate: numberText(count) })
  }
}

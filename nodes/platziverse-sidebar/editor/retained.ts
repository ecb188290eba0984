import { rowsAtATime, type BrokerOverview, type RetainedInBroker, type RetainedTopic } from '../../../lib/overview/shown.ts'
import { nameOf } from './brokers.ts'
import { chooser } from './chooser.ts'
import { iconButton } from './dom.ts'
import { itemRow } from './item.ts'
import { Section } from './section.ts'
import { numberText, text } from './words.ts'

export interface RetainedOptions {
  /** See `SectionOptions`. */
  asks (): void
  /** Absent: the user may not. */
  clear?: (topic: string, broker: string) => void
}

export interface RetainedSection {
  section: Section<RetainedTopic>
  /** The broker to ask for, and how many. */
  asked (): { broker: string, retained: number }
  offer (brokers: BrokerOverview[]): void
  show (retained: RetainedInBroker, isSearch: boolean): void
}

/** The section of the retained messages of one broker. */
export function retainedSection ({ asks, clear }: RetainedOptions): RetainedSection {
  /** Whose messages are shown. */
  let broker = ''
  const chosen = chooser('platziverse-side-broker', text('platziverse-sidebar.choose.broker'), asks)
  const section = new Section<RetainedTopic>({
    name: 'retained',
    isOpen: false,
    keyOf: ({ topic }) => topic,
    asks,
    row: first => itemRow(first, {
      say: ({ topic, payload, bytes, qos }) => ({
        tone: 'plain',
        name: topic,
        glance: payload ?? text('platziverse-sidebar.retained.binary'),
        facts: [
          [text('platziverse-sidebar.fact.payload'), payload ?? text('platziverse-sidebar.retained.binary')],
          [text('platziverse-sidebar.fact.bytes'), numberText(bytes)],
          ['QoS', String(qos)]
        ]
      }),
      actions: () => clear === undefined
        ? []
        : [iconButton('eraser', text('platziverse-sidebar.action.clearNamed', { name: first.topic }), () => { clear(first.topic, broker) })]
    })
  })
  section.tools.append(chosen.element)
  return {
    section,
    asked: () => ({ broker: chosen.value(), retained: section.most }),
    offer (brokers) {
      chosen.offer(brokers.map(broker => ({ value: broker.id, label: nameOf(broker) })))
    },
    show ({ broker: shown, list, refusal }, isSearch) {
      broker = shown ?? ''
      if (list === undefined) return section.fail(refusal === undefined ? text('platziverse-sidebar.none.brokers') : `${refusal.detail} ${refusal.help}`)
      const { rows, more } = list
      const count = numberText(rows.length)
      section.show(rows, {
        found: rows.length + (more ? rowsAtATime : 0),
        count: more ? `${count}+` : count,
        none: text(isSearch ? 'platziverse-sidebar.none.found' : 'platziverse-sidebar.none.retained')
      })
    }
  }
}

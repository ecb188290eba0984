import { rowsAtATime, type BrokerOverview, type RetainedInBroker, type RetainedTopic } from '../../../lib/overview/shown.ts'
import { nameOf } from './brokers.ts'
import { chooser } from './chooser.ts'
import { element, iconButton } from './dom.ts'
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
  /** The broker to ask for, and how many. @param isAsking whether they are asked for now, and not other parts alone */
  asked (isAsking: boolean): { broker: string, retained: number, read: boolean }
  offer (brokers: BrokerOverview[]): void
  show (retained: RetainedInBroker, isSearch: boolean): void
}

/** The section of the retained messages of one broker. */
export function retainedSection ({ asks, clear }: RetainedOptions): RetainedSection {
  /** Whose messages are shown. */
  let broker = ''
  let isElsewhere = false
  /** Whether somebody wants to see what a broker elsewhere has. */
  let isWanted = false
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
      actions: () => clear === undefined || isElsewhere
        ? []
        : [iconButton('eraser', text('platziverse-sidebar.action.clearNamed', { name: first.topic }), () => { clear(first.topic, broker) })]
    })
  })
  const read = element('button', { type: 'button', class: 'red-ui-button red-ui-button-small' }, text('platziverse-sidebar.action.read'))
  read.hidden = true
  read.addEventListener('click', () => {
    isWanted = true
    asks()
  })
  section.tools.append(chosen.element, read)
  return {
    section,
    asked (isAsking) {
      const read = isWanted && isAsking
      if (read) isWanted = false
      return { broker: chosen.value(), retained: section.most, read }
    },
    offer (brokers) {
      chosen.offer(brokers.map(broker => ({ value: broker.id, label: nameOf(broker) })))
    },
    show ({ broker: shown, isElsewhere: elsewhere = false, list, refusal }, isSearch) {
      const isSame = broker === shown
      broker = shown ?? ''
      isElsewhere = elsewhere
      read.hidden = !elsewhere
      if (elsewhere && list === undefined && refusal === undefined) {
        // What was read stays.
        if (!isSame) section.fail(text('platziverse-sidebar.none.elsewhere'))
        return
      }
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

import { rowsAtATime, type BrokerOverview, type RetainedTopic, type RetainedTopics } from '../../../lib/overview/shown.ts'
import { nameOf } from './brokers.ts'
import { chooser } from './chooser.ts'
import { element, icon, iconButton } from './dom.ts'
import { itemRow } from './item.ts'
import { ask } from './requests.ts'
import { Section } from './section.ts'
import { numberText, text } from './words.ts'

export interface RetainedOptions {
  search (): string
  /** Absent: the user may not. */
  clear?: (topic: string, broker: string) => void
}

export interface RetainedSection {
  section: Section<RetainedTopic>
  offer (brokers: BrokerOverview[]): void
  /** Ask for what there is now, if it can be seen. */
  ask (): Promise<void>
}

/** The section of the retained messages of one broker. It is asked for when it is opened, and not live: a broker may have very many. */
export function retainedSection ({ search, clear }: RetainedOptions): RetainedSection {
  let asked = 0
  const again = (): void => { void askAgain() }
  const chosen = chooser('platziverse-side-broker', text('platziverse-sidebar.choose.broker'), again)
  const section = new Section<RetainedTopic>({
    name: 'retained',
    isOpen: false,
    keyOf: ({ topic }) => topic,
    asks: again,
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
        : [iconButton('eraser', text('platziverse-sidebar.action.clearNamed', { name: first.topic }), () => { clear(first.topic, chosen.value()) })]
    })
  })
  const refresh = element('button', { type: 'button', class: 'red-ui-button red-ui-button-small' }, icon('refresh'), ' ', text('platziverse-sidebar.action.refresh'))
  refresh.addEventListener('click', again)
  section.tools.append(chosen.element, refresh)

  async function askAgain (): Promise<void> {
    if (!section.isOpen) return
    const number = ++asked
    const broker = chosen.value()
    if (broker === '') return section.fail(text('platziverse-sidebar.none.brokers'))
    try {
      const { rows, more } = await ask<RetainedTopics>('retained', { broker, search: search(), most: section.most })
      if (number !== asked) return
      const count = numberText(rows.length)
      section.show(rows, {
        found: rows.length + (more ? rowsAtATime : 0),
        count: more ? `${count}+` : count,
        none: text(search() === '' ? 'platziverse-sidebar.none.retained' : 'platziverse-sidebar.none.found')
      })
    } catch (error) {
      if (number === asked) section.fail((error as Error).message)
    }
  }

  return {
    section,
    offer (brokers) {
      const before = chosen.value()
      chosen.offer(brokers.map(broker => ({ value: broker.id, label: nameOf(broker) })))
      if (chosen.value() !== before) again()
    },
    ask: askAgain
  }
}

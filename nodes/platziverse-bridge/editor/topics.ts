import { parseFilter } from '../../../lib/mqtt/topic-filters.ts'
import { input, select, valueOf } from '../../shared/editor/fields.ts'
import type { Part } from '../../shared/editor/form.ts'
import { prepareList, type Fields, type RowProblem } from '../../shared/editor/list.ts'
import { textsOf, type EditorNode } from '../../shared/editor/red.ts'
import type { BridgeConfig, SavedTopic } from '../config.ts'
import { upgrade } from '../migrations.ts'

const text = textsOf('platziverse-bridge')

const directions = ['out', 'in', 'both'] as const
const levels = ['0', '1', '2'] as const
const directionText = (direction: string): string => text(`platziverse-bridge.direction.${direction}`)
const levelText = (level: string): string => text('platziverse-bridge.topic.level', { level })

/** Fills the table of topics. */
export function prepareTopics (node: EditorNode & BridgeConfig): Part {
  return prepareList({
    place: '#platziverse-bridge-topics',
    addButton: text('platziverse-bridge.topic.add'),
    // Of several rows that match a topic the first decides.
    sortable: true,
    empty: { direction: 'out', filter: '', qos: 1, localPrefix: '', remotePrefix: '' },
    show,
    read,
    problems: topicProblems
  }, node, 'topics', upgrade(node).topics)
}

function show (container: JQuery, topic: SavedTopic): Fields<SavedTopic> {
  const fields = {
    direction: select(directions, directionText, topic.direction, text('platziverse-bridge.topic.direction')),
    filter: input(topic.filter, text('platziverse-bridge.topic.filter')),
    qos: select(levels, levelText, String(topic.qos), text('platziverse-bridge.topic.qos')),
    localPrefix: input(topic.localPrefix, text('platziverse-bridge.topic.localPrefix')),
    remotePrefix: input(topic.remotePrefix, text('platziverse-bridge.topic.remotePrefix'))
  }
  const { direction, filter, qos, localPrefix, remotePrefix } = fields
  container.append(
    $('<div>').append(direction.css({ flex: '0 0 40%' }), filter, qos.css({ flex: '0 0 80px' })),
    $('<div>').append(localPrefix, remotePrefix)
  )
  return fields
}

function read (fields: Fields<SavedTopic>): SavedTopic {
  return {
    direction: valueOf(fields.direction) as SavedTopic['direction'],
    filter: valueOf(fields.filter),
    qos: Number(valueOf(fields.qos)),
    localPrefix: valueOf(fields.localPrefix),
    remotePrefix: valueOf(fields.remotePrefix)
  }
}

/** What is wrong with the rows of a bridge. */
export function topicProblems (topics: readonly SavedTopic[]): Array<RowProblem<SavedTopic>> {
  if (topics.length === 0) return [{ index: -1, field: 'filter', text: text('platziverse-bridge.validation.noTopics') }]
  return topics.flatMap(({ filter, localPrefix, remotePrefix }, index) => {
    const number = index + 1
    const problems: Array<RowProblem<SavedTopic>> = []
    for (const [field, prefix] of Object.entries({ localPrefix, remotePrefix }) as Array<['localPrefix' | 'remotePrefix', string]>) {
      if (/[+#]/.test(prefix)) problems.push({ index, field, text: text('platziverse-bridge.validation.prefix', { number }) })
    }
    const areFilters = [localPrefix, remotePrefix].every(prefix => parseFilter(prefix + filter) !== undefined)
    if (problems.length === 0 && !areFilters) {
      problems.push({ index, field: 'filter', text: text('platziverse-bridge.validation.filter', { number }) })
    }
    return problems
  })
}

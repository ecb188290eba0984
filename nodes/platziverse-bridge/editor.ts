import { parseFilter } from '../../lib/mqtt/topic-filters.ts'
import { brokerProperty, chooseOnlyBroker, prepareBrokerSelect, saveBrokerSelect, watchBrokers } from '../shared/editor/broker-select.ts'
import { input, isFilled, select, valueOf } from '../shared/editor/fields.ts'
import { showMissing, type Part } from '../shared/editor/form.ts'
import { prepareList, type Fields, type RowProblem } from '../shared/editor/list.ts'
import { registerNode, textsOf, type EditorNode } from '../shared/editor/red.ts'
import { wholeNumber } from '../shared/editor/validate.ts'
import { bridgeDefaults as defaults, type BridgeConfig, type SavedTopic } from './config.ts'
import { upgrade } from './migrations.ts'

const text = textsOf('platziverse-bridge')
const directions = ['out', 'in', 'both'] as const
const levels = ['0', '1', '2'] as const
const directionText = (direction: string): string => text(`platziverse-bridge.direction.${direction}`)
const levelText = (level: string): string => text('platziverse-bridge.topic.level', { level })

/** Of the form that was opened last. */
let topics: Part | undefined

registerNode<BridgeConfig, 'user' | 'password'>('platziverse-bridge', upgrade, {
  category: 'platziverse',
  color: '#62b893',
  icon: 'platziverse-bridge.svg',
  inputs: 0,
  outputs: 1,
  defaults: {
    name: { value: defaults.name },
    broker: brokerProperty(),
    url: {
      value: defaults.url,
      validate: (value, _options) => isAddress(String(value).trim()) || text('platziverse-bridge.validation.url')
    },
    tls: { value: defaults.tls, type: 'tls-config', required: false },
    hasLogin: { value: defaults.hasLogin },
    topics: { value: defaults.topics, validate: (value, _options) => topicProblems(value as SavedTopic[])[0]?.text ?? true },
    localUser: { value: defaults.localUser },
    clientId: { value: defaults.clientId },
    clean: { value: defaults.clean },
    bridgeBit: { value: defaults.bridgeBit },
    keepalive: { value: defaults.keepalive, validate: wholeNumber(() => text('platziverse-bridge.form.keepalive'), 0, 65_535) },
    buffer: { value: defaults.buffer, validate: wholeNumber(() => text('platziverse-bridge.form.buffer'), 1, 2 ** 31 - 1) },
    megabytes: { value: defaults.megabytes, validate: wholeNumber(() => text('platziverse-bridge.form.buffer'), 1, 1_000_000) },
    statistics: { value: defaults.statistics, validate: wholeNumber(() => text('platziverse-bridge.form.statistics'), 0) }
  },
  credentials: {
    user: { type: 'text' },
    password: { type: 'password' }
  },
  paletteLabel: () => text('platziverse-bridge.label.palette'),
  label () { return this.name || hostOf(this.url) || text('platziverse-bridge.label.canvas') },
  labelStyle () { return this.name ? 'node_label_italic' : '' },
  outputLabels: () => text('platziverse-bridge.output.states'),
  onadd () { chooseOnlyBroker(this) },
  oneditprepare () {
    showMissing(this, upgrade(this))
    prepareBrokerSelect(this)
    topics = prepareTopics(this)
    $('#node-input-url').on('input change', function () {
      $('#platziverse-bridge-tls').toggle(!/^(mqtt|ws):/i.test(String($(this).val() ?? '').trim()))
    }).trigger('change')
  },
  oneditsave () {
    saveBrokerSelect(this)
    this.hasLogin = isFilled('user', 'password')
    topics?.save()
  }
})

watchBrokers('platziverse-bridge')

function prepareTopics (node: EditorNode & BridgeConfig): Part {
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

function topicProblems (topics: readonly SavedTopic[]): Array<RowProblem<SavedTopic>> {
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

/** What a bridge connects to; also with `${ENV}` inside. */
function isAddress (url: string): boolean {
  return /^(mqtts?|wss?):\/\/[^\s/]+/i.test(url) || /\$\{[^}]+\}/.test(url)
}

/** Such as "192.0.2.1:1883": no credentials that somebody wrote into the address. */
function hostOf (url: string): string {
  return /^\w+:\/\/(?:[^@/]*@)?([^/?#]+)/.exec(url)?.[1] ?? ''
}

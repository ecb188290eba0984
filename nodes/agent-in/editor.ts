import type { TopicRule } from '../../lib/mapping/topic-rule.ts'
import { brokerProperty, chooseOnlyBroker, prepareBrokerSelect, saveBrokerSelect, watchBrokers } from '../shared/editor/broker-select.ts'
import { prepareTabs, showMissing, type Part } from '../shared/editor/form.ts'
import { registerNode, textsOf, type EditorNode } from '../shared/editor/red.ts'
import { outputsWithoutStore, warnOfMissingStore, type StoredOutput } from '../shared/editor/store-warning.ts'
import { wholeNumber } from '../shared/editor/validate.ts'
import { agentInDefaults as defaults, type AgentInConfig } from './config.ts'
import { prepareTopics, topicProblems } from './editor/topics.ts'
import { prepareTry } from './editor/try.ts'
import { upgrade } from './migrations.ts'

const text = textsOf('agent-in')

const tabNames = ['messages', 'topics'] as const

/** Of the form that was opened last. */
let topics: Part | undefined

const outputs = [
  () => text('agent-in.output.connected'),
  () => text('agent-in.output.disconnected'),
  () => text('agent-in.output.message'),
  () => text('agent-in.output.rejected')
]

registerNode<AgentInConfig>('agent-in', { defaults, upgrade }, {
  category: 'platziverse',
  color: '#86c9a3',
  icon: 'agent-in.svg',
  inputs: 0,
  outputs: 4,
  properties: {
    broker: brokerProperty(),
    timeLimit: { validate: wholeNumber(() => text('agent-in.form.timeLimit'), 1) },
    clientWindow: { validate: wholeNumber(() => text('agent-in.form.clientWindow'), 1) },
    totalWindow: { validate: wholeNumber(() => text('agent-in.form.totalWindow'), 1) },
    clientMemory: { validate: wholeNumber(() => text('agent-in.form.clientWindow'), 1) },
    totalMemory: { validate: wholeNumber(() => text('agent-in.form.totalWindow'), 1) },
    pastDays: { validate: wholeNumber(() => text('agent-in.form.pastDays'), 0) },
    futureDays: { validate: wholeNumber(() => text('agent-in.form.futureDays'), 0) },
    otherTopics: { validate: (value, _options) => topicProblems((value ?? []) as TopicRule[])[0]?.text ?? true }
  },
  paletteLabel: () => text('agent-in.label.palette'),
  label () { return this.name || text('agent-in.label.canvas') },
  labelStyle () { return this.name ? 'node_label_italic' : '' },
  outputLabels: output => outputs[output]?.() ?? '',
  onadd () { chooseOnlyBroker(this) },
  oneditprepare () {
    showMissing(this, upgrade(this))
    prepareBrokerSelect(this)
    prepareTabs('agent-in', tabNames, name => text(`agent-in.tab.${name}`))
    const table = topics = prepareTopics(this)
    prepareTry(() => table.rules())
    const missing = outputsWithoutStore(this)
    $('#agent-in-no-store-text').text(noStore(missing))
    $('#node-input-acknowledge').on('change', function () {
      const stored = $(this).val() !== 'arrival'
      $('#agent-in-no-store').toggle(stored && missing.length > 0)
      $('#agent-in-arrival').toggle(!stored)
      $('.agent-in-stored :input').prop('disabled', !stored)
    })
  },
  oneditsave () {
    saveBrokerSelect(this)
    topics?.save()
  }
})

watchBrokers('agent-in')
warnOfMissingStore({
  type: 'agent-in',
  applies: node => (node as EditorNode & AgentInConfig).acknowledge !== 'arrival',
  text: missing => noStore(missing).replace(/\. /g, '.\n')
})

function noStore (missing: StoredOutput[]): string {
  const names = missing.map(output => text(`agent-in.output.${output}`)).join(', ')
  return text('agent-in.validation.noStore', { outputs: names })
}

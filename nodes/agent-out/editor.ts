import { templateFields } from '../../lib/messages/template-fields.ts'
import { brokerProperty, chooseOnlyBroker, prepareBrokerSelect, saveBrokerSelect, watchBrokers } from '../shared/editor/broker-select.ts'
import { showMissing } from '../shared/editor/form.ts'
import { registerNode, textsOf, type EditorNode } from '../shared/editor/red.ts'
import { agentOutDefaults as defaults, valueTopic, type AgentOutConfig } from './config.ts'
import { upgrade } from './migrations.ts'

const text = textsOf('agent-out')

registerNode<AgentOutConfig>('agent-out', { defaults, upgrade }, {
  category: 'platziverse',
  color: '#86c9a3',
  icon: 'agent-out.svg',
  inputs: 1,
  outputs: 0,
  align: 'right',
  properties: {
    broker: brokerProperty(),
    topic: { validate (value, _options) { return topicProblem(this, String(value ?? '')) ?? true } }
  },
  paletteLabel: () => text('agent-out.label.palette'),
  label () { return this.name || this.topic || (this.payload === 'value' ? valueTopic : text('agent-out.label.canvas')) },
  labelStyle () { return this.name ? 'node_label_italic' : '' },
  inputLabels: () => text('agent-out.input.message'),
  onadd () { chooseOnlyBroker(this) },
  oneditprepare () {
    prepareBrokerSelect(this)
    showMissing(this, upgrade(this))
    $('#node-input-payload').data('node', this.id).on('change', function () {
      $('#node-input-topic').attr('placeholder', $(this).val() === 'value' ? valueTopic : '').trigger('change')
    }).trigger('change')
  },
  oneditsave () { saveBrokerSelect(this) }
})

watchBrokers('agent-out')

function topicProblem (node: EditorNode & AgentOutConfig, topic: string): string | undefined {
  // In the open form it is what is chosen that counts, and not what was saved.
  const payload = $('#node-input-payload')
  const isValue = (payload.data('node') === node.id ? payload.val() : node.payload) === 'value'
  if (isValue && topic !== '' && !topic.includes('{type}')) return text('agent-out.validation.valueType')
  if (/[+#]/.test(topic)) return text('agent-out.validation.wildcard')
  const names = [...topic.matchAll(/\{([^{}]*)\}/g)].map(match => match[1] ?? '')
  const unknown = names.find(name => !templateFields.some(field => field === name))
  if (unknown !== undefined) {
    return text('agent-out.validation.field', { field: braced(unknown), fields: templateFields.map(braced).join(' ') })
  }
  return /[{}]/.test(topic.replace(/\{[^{}]*\}/g, '')) ? text('agent-out.validation.brace') : undefined
}

function braced (field: string): string {
  return `{${field}}`
}

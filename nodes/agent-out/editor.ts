import { brokerProperty, chooseOnlyBroker, prepareBrokerSelect, saveBrokerSelect, watchBrokers } from '../shared/editor/broker-select.ts'
import { RED, textsOf } from '../shared/editor/red.ts'
import { agentOutDefaults as defaults, type AgentOutConfig } from './config.ts'

const text = textsOf('agent-out')

const fields = ['uuid', 'username', 'name', 'hostname', 'pid', 'kind', 'type']

RED.nodes.registerType<AgentOutConfig>('agent-out', {
  category: 'platziverse',
  color: '#86c9a3',
  icon: 'agent-out.svg',
  inputs: 1,
  outputs: 0,
  align: 'right',
  defaults: {
    name: { value: defaults.name },
    broker: brokerProperty(),
    topic: { value: defaults.topic, validate: (value, _options) => topicProblem(String(value ?? '')) ?? true },
    qos: { value: defaults.qos },
    retain: { value: defaults.retain }
  },
  paletteLabel: () => text('agent-out.label.palette'),
  label () { return this.name || this.topic || text('agent-out.label.canvas') },
  labelStyle () { return this.name ? 'node_label_italic' : '' },
  inputLabels: () => text('agent-out.input.message'),
  onadd () { chooseOnlyBroker(this) },
  oneditprepare () { prepareBrokerSelect(this) },
  oneditsave () { saveBrokerSelect(this) }
})

watchBrokers('agent-out')

function topicProblem (topic: string): string | undefined {
  if (/[+#]/.test(topic)) return text('agent-out.validation.wildcard')
  const unknown = [...topic.matchAll(/\{([^{}]*)\}/g)].map(match => match[1] ?? '').find(field => !fields.includes(field))
  if (unknown !== undefined) return text('agent-out.validation.field', { field: `{${unknown}}`, fields: fields.map(field => `{${field}}`).join(' ') })
  return /[{}]/.test(topic.replace(/\{[^{}]*\}/g, '')) ? text('agent-out.validation.brace') : undefined
}

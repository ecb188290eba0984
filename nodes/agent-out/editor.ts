import { mayGive, templateFields } from '../../lib/messages/template-fields.ts'
import { topics } from '../../lib/messages/topics.ts'
import type { AgentInConfig } from '../agent-in/config.ts'
import type { BrokerConfig } from '../platziverse-broker/config.ts'
import { brokerProperty, chooseOnlyBroker, currentBroker, prepareBrokerSelect, saveBrokerSelect, watchBrokers } from '../shared/editor/broker-select.ts'
import { input, valueOf } from '../shared/editor/fields.ts'
import { showMissing, type Part } from '../shared/editor/form.ts'
import { prepareList, type RowProblem } from '../shared/editor/list.ts'
import { RED, registerNode, textsOf, type EditorNode } from '../shared/editor/red.ts'
import { wholeNumber } from '../shared/editor/validate.ts'
import { agentOutDefaults as defaults, longestExpiry, userPropertyDefaults, valueTopic, type AgentOutConfig, type UserProperty } from './config.ts'
import { upgrade } from './migrations.ts'

const text = textsOf('agent-out')

/** Of the form that was opened last. */
let userProperties: Part | undefined

registerNode<AgentOutConfig>('agent-out', { defaults, upgrade }, {
  category: 'platziverse',
  color: '#86c9a3',
  icon: 'agent-out.svg',
  inputs: 1,
  outputs: 0,
  align: 'right',
  properties: {
    broker: brokerProperty(),
    topic: { validate (value, _options) { return topicProblem(this, String(value ?? '')) ?? true } },
    expiry: { validate: wholeNumber(() => text('agent-out.form.expiry'), 0, longestExpiry) },
    responseTopic: { validate: (value, _options) => /[+#]/.test(String(value ?? '')) ? text('agent-out.validation.responseTopic') : true },
    userProperties: { validate: (value, _options) => userPropertyProblems(value as UserProperty[])[0]?.text ?? true }
  },
  paletteLabel: () => text('agent-out.label.palette'),
  label () { return this.name || this.topic || (this.payload === 'value' ? valueTopic : text('agent-out.label.canvas')) },
  labelStyle () { return this.name ? 'node_label_italic' : '' },
  inputLabels: () => text('agent-out.input.message'),
  onadd () { chooseOnlyBroker(this) },
  oneditprepare () {
    prepareBrokerSelect(this, { changed () { $('#node-input-topic').trigger('change') } })
    const upgraded = upgrade(this)
    showMissing(this, upgraded)
    userProperties = prepareList<UserProperty, 'userProperties'>({
      place: '#agent-out-user-properties',
      addButton: text('agent-out.userProperty.add'),
      // They arrive in this order.
      sortable: true,
      empty: userPropertyDefaults,
      show (container, { name, value }) {
        const fields = { name: input(name, text('agent-out.userProperty.name')), value: input(value, text('agent-out.userProperty.value')) }
        container.append($('<div>').append(fields.name, fields.value))
        return fields
      },
      read: ({ name, value }) => ({ name: valueOf(name), value: valueOf(value) }),
      problems: userPropertyProblems
    }, this, 'userProperties', upgraded.userProperties)
    $('#node-input-payload').data('node', this.id).on('change', function () {
      $('#node-input-topic').attr('placeholder', $(this).val() === 'value' ? valueTopic : '').trigger('change')
    }).trigger('change')
  },
  oneditsave () {
    saveBrokerSelect(this)
    userProperties?.save()
  }
})

watchBrokers('agent-out')

function userPropertyProblems (properties: readonly UserProperty[]): Array<RowProblem<UserProperty>> {
  return properties.flatMap(({ name }, index) => name === '' ? [{ index, field: 'name', text: text('agent-out.validation.userProperty', { number: index + 1 }) }] : [])
}

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
  if (/[{}]/.test(topic.replace(/\{[^{}]*\}/g, ''))) return text('agent-out.validation.brace')
  return comesBack(node, topic || (isValue ? valueTopic : '')) ? text('agent-out.validation.loop') : undefined
}

/** Whether agent-in reads, from a broker elsewhere, what this node would publish there: the runtime refuses it. */
function comesBack (node: EditorNode & AgentOutConfig, template: string): boolean {
  const id = currentBroker(node)
  const { mode, shards = '' } = (RED.nodes.node(id) ?? {}) as Partial<BrokerConfig>
  if (mode !== 'elsewhere') return false
  const isRead = (RED.nodes.filterNodes({ type: 'agent-in' }) as Array<EditorNode & AgentInConfig>).some(({ d, broker }) => d !== true && broker === id)
  const levels = shards.split(/[\s,]+/).filter(shard => shard !== '').map(shard => `agent/${shard}/`)
  return isRead && Object.keys(topics).some(kind => (levels.length > 0 ? levels : ['agent/']).some(level => mayGive(template, level + kind)))
}

function braced (field: string): string {
  return `{${field}}`
}

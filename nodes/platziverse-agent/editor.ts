import { variableProblem } from '../shared/editor/address.ts'
import { brokerProperty, chooseOnlyBroker, currentBroker, prepareBrokerSelect, saveBrokerSelect, watchBrokers } from '../shared/editor/broker-select.ts'
import { isFilled } from '../shared/editor/fields.ts'
import { registerNode, shared, textsOf } from '../shared/editor/red.ts'
import { isVariable, wholeNumber } from '../shared/editor/validate.ts'
import { agentDefaults as defaults, type AgentConfig } from './config.ts'
import { upgrade } from './migrations.ts'

const text = textsOf('platziverse-agent')

registerNode<AgentConfig, 'user' | 'password'>('platziverse-agent', { defaults, upgrade }, {
  category: 'platziverse',
  color: '#a5cf82',
  icon: 'platziverse-agent.svg',
  inputs: 1,
  outputs: 1,
  properties: {
    broker: brokerProperty(true),
    url: {
      validate (value, _options) {
        if (currentBroker(this) !== '') return true
        return variableProblem(String(value), text('platziverse-agent.form.url')) ?? (isAddress(String(value).trim()) || text('platziverse-agent.validation.url'))
      }
    },
    willDelay: { validate: wholeNumber(() => text('platziverse-agent.form.willDelay'), 0, 86_400) },
    interval: {
      validate (value, _options) {
        return Number(value) > 0 || shared('shared.validation.positive', { label: text('platziverse-agent.form.interval') })
      }
    }
  },
  credentials: {
    user: { type: 'text' },
    password: { type: 'password' }
  },
  paletteLabel: () => text('platziverse-agent.label.palette'),
  label () { return this.name || text('platziverse-agent.label.canvas') },
  labelStyle () { return this.name ? 'node_label_italic' : '' },
  inputLabels: () => text('platziverse-agent.input.metrics'),
  outputLabels: () => text('platziverse-agent.output.others'),
  onadd () { chooseOnlyBroker(this) },
  oneditprepare () {
    prepareBrokerSelect(this, {
      none: text('platziverse-agent.form.byAddress'),
      changed (broker) {
        $('.platziverse-agent-address').toggle(broker === '')
        $('#node-input-url').trigger('change')
      }
    })
  },
  oneditsave () {
    saveBrokerSelect(this)
    this.hasLogin = isFilled('user', 'password')
  }
})

watchBrokers('platziverse-agent')

/** What MQTT.js connects to, or a variable. */
function isAddress (url: string): boolean {
  return /^(mqtts?|tcp|ssl|tls|wss?):\/\/\S+$/i.test(url) || isVariable(url)
}

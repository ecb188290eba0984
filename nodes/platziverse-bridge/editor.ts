import { hostOf, isAddress, isPlain, variableProblem } from '../shared/editor/address.ts'
import { brokerProperty, chooseOnlyBroker, prepareBrokerSelect, saveBrokerSelect, watchBrokers } from '../shared/editor/broker-select.ts'
import { isFilled } from '../shared/editor/fields.ts'
import { showMissing, type Part } from '../shared/editor/form.ts'
import { registerNode, textsOf } from '../shared/editor/red.ts'
import { wholeNumber } from '../shared/editor/validate.ts'
import { bridgeDefaults as defaults, type BridgeConfig, type SavedTopic } from './config.ts'
import { prepareTopics, topicProblems } from './editor/topics.ts'
import { upgrade } from './migrations.ts'

const text = textsOf('platziverse-bridge')

/** Of the form that was opened last. */
let topics: Part | undefined

registerNode<BridgeConfig, 'user' | 'password'>('platziverse-bridge', { defaults, upgrade }, {
  category: 'platziverse',
  color: '#62b893',
  icon: 'platziverse-bridge.svg',
  inputs: 0,
  outputs: 1,
  properties: {
    broker: brokerProperty(),
    url: {
      validate: (value, _options) => variableProblem(String(value), text('platziverse-bridge.form.url')) ?? (isAddress(String(value).trim()) || text('platziverse-bridge.validation.url'))
    },
    tls: { type: 'tls-config', required: false },
    topics: { validate: (value, _options) => topicProblems(value as SavedTopic[])[0]?.text ?? true },
    keepalive: { validate: wholeNumber(() => text('platziverse-bridge.form.keepalive'), 0, 65_535) },
    buffer: { validate: wholeNumber(() => text('platziverse-bridge.form.buffer'), 1, 2 ** 31 - 1) },
    megabytes: { validate: wholeNumber(() => text('platziverse-bridge.form.buffer'), 1, 1_000_000) },
    statistics: { validate: wholeNumber(() => text('platziverse-bridge.form.statistics'), 0) }
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
      $('#platziverse-bridge-tls').toggle(!isPlain(String($(this).val() ?? '').trim()))
    }).trigger('change')
    $('#node-input-version').on('change', function () {
      $('#platziverse-bridge-bit').toggle($(this).val() !== '5')
    }).trigger('change')
  },
  oneditsave () {
    saveBrokerSelect(this)
    this.hasLogin = isFilled('user', 'password')
    topics?.save()
  }
})

watchBrokers('platziverse-bridge')

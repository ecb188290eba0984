import { offerToWaiting } from '../shared/editor/broker-select.ts'
import { RED, textsOf } from '../shared/editor/red.ts'
import { wholeNumber } from '../shared/editor/validate.ts'
import { brokerDefaults as defaults, type BrokerConfig } from './config.ts'

const text = textsOf('platziverse-broker')

RED.nodes.registerType<BrokerConfig>('platziverse-broker', {
  category: 'platziverse',
  color: '#62b893',
  icon: 'platziverse-broker.svg',
  inputs: 0,
  outputs: 2,
  defaults: {
    name: { value: defaults.name },
    host: {
      value: defaults.host,
      validate (value, _options) {
        // In the open form the box counts as it is ticked, not as it was saved.
        const box = $('#node-input-anonymous')
        const anonymous = box.data('node') === this.id ? box.prop('checked') === true : this.anonymous
        return anonymous || isLoopback(String(value ?? '').trim()) || text('platziverse-broker.validation.hostClosed')
      }
    },
    port: { value: defaults.port, validate: wholeNumber(() => text('platziverse-broker.form.port'), 0, 65_535) },
    anonymous: { value: defaults.anonymous },
    statistics: { value: defaults.statistics, validate: wholeNumber(() => text('platziverse-broker.form.statistics'), 0) }
  },
  paletteLabel: () => text('platziverse-broker.label.palette'),
  label () { return this.name || text('platziverse-broker.label.canvas', { port: this.port }) },
  labelStyle () { return this.name ? 'node_label_italic' : '' },
  outputLabels: (output) => output === 0 ? text('platziverse-broker.output.clients') : text('platziverse-broker.output.statistics'),
  onadd () { offerToWaiting(this, ['agent-in', 'agent-out']) },
  oneditprepare () {
    const box = $('#node-input-anonymous').data('node', this.id)
    const host = $('#node-input-host')
    box.on('change', () => {
      const open = box.prop('checked') === true
      $('#platziverse-broker-open').toggle(open)
      $('#platziverse-broker-closed').toggle(!open)
      host.attr('placeholder', open ? text('platziverse-broker.form.hostOpen') : text('platziverse-broker.form.hostClosed'))
      host.trigger('change')
    })
  }
})

/** Names are left to the runtime, which looks them up. */
function isLoopback (host: string): boolean {
  if (host === '' || host === '::1') return true
  return /^[\d.]+$/.test(host) ? host.startsWith('127.') : !host.includes(':')
}

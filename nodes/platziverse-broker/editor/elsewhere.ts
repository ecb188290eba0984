import { hostOf, isAddress, isPlain, variableProblem } from '../../shared/editor/address.ts'
import { valueOf } from '../../shared/editor/fields.ts'
import { RED, type EditorNode, type Validator } from '../../shared/editor/red.ts'
import { isVariable } from '../../shared/editor/validate.ts'
import type { BrokerConfig } from '../config.ts'
import { upgrade } from '../migrations.ts'
import { isOpen, text, type BrokerNode } from './form.ts'
import { inLargeUnits } from './large-units.ts'

type Node = EditorNode & BrokerConfig

/** Whether the broker is elsewhere: in the open form as it is chosen there. */
export function isElsewhere (node: Node): boolean {
  return (isOpen(node) ? $('#node-input-mode').val() : upgrade(node).mode) === 'elsewhere'
}

/** A check that counts in one mode: what belongs to the other one is kept as it is. */
export function inMode (mode: BrokerConfig['mode'], check: Validator<Node>): Validator<Node> {
  return function (value, options) { return isElsewhere(this) === (mode === 'elsewhere') ? check.call(this, value, options) : true }
}

/** What is on the canvas and in lists behind "MQTT": a port of this machine, or where the broker is. */
export function placeOf (node: Node): string {
  const { mode, url, port } = upgrade(node)
  return mode === 'elsewhere' ? addressesIn(url).map(address => hostOf(address) || address).join(', ') : String(port)
}

/** The address in the open form, or the one that was saved. */
export function addressOf (node: Node): string {
  return isOpen(node) ? valueOf($('#node-input-url')) : upgrade(node).url
}

/** A cluster has several. */
function addressesIn (url: string): string[] {
  return url.split(/[\s,]+/).filter(address => address !== '')
}

export function urlProblem (url: string): string | undefined {
  const variable = variableProblem(url, text('platziverse-broker.remote.url'))
  if (variable !== undefined) return variable
  const addresses = addressesIn(url)
  return addresses.length > 0 && addresses.every(isAddress) ? undefined : text('platziverse-broker.validation.url')
}

export function groupProblem (group: string): string | undefined {
  return isVariable(group) || !/[/+#]/.test(group) ? undefined : text('platziverse-broker.validation.group')
}

export function shardsProblem (shards: string): string | undefined {
  const wrong = isVariable(shards) ? undefined : shards.split(/[\s,]+/).find(shard => /[/+#]/.test(shard))
  return wrong === undefined ? undefined : text('platziverse-broker.validation.shard', { shard: wrong })
}

/** Two clients with one id hang up on each other. */
export function clientIdProblem (node: Node, clientId: string): string | undefined {
  if (clientId.trim() === '') return undefined
  const others = RED.nodes.filterNodes({ type: node.type }) as Node[]
  const isTaken = others.some(other => other.id !== node.id && other.d !== true && upgrade(other).mode === 'elsewhere'
    && other.clientId === clientId && other.url.trim() === addressOf(node).trim())
  return isTaken ? text('platziverse-broker.validation.clientId') : undefined
}

/** Shows what belongs to the mode. */
export function prepareMode (node: BrokerNode): void {
  const url = $('#node-input-url')
  const hours = $('#node-input-sessionHours')
  // A certificate and statistics are of both modes.
  const tls = $('#platziverse-broker-tls')
  const statistics = $('#platziverse-broker-statistics')
  $('#node-input-mode').on('change', () => {
    const elsewhere = isElsewhere(node)
    $('#platziverse-broker-embedded').toggle(!elsewhere)
    $('#platziverse-broker-elsewhere').toggle(elsewhere)
    if (elsewhere) {
      tls.insertAfter('#platziverse-broker-url')
      statistics.appendTo('#platziverse-broker-elsewhere')
    } else {
      tls.appendTo('#platziverse-broker-listeners-tls')
      statistics.appendTo('#platziverse-broker-general-tab')
    }
    // Node-RED translates the form after this.
    tls.find('.platziverse-broker-of-listeners').toggle(!elsewhere)
    tls.find('.platziverse-broker-of-remote').toggle(elsewhere)
    $(elsewhere ? '#platziverse-broker-elsewhere' : '#platziverse-broker-embedded').find('input[id^=node-input-]').trigger('change')
    if (!elsewhere) tls.show()
  }).trigger('change')
  url.on('input change', () => {
    if (!isElsewhere(node)) return
    tls.toggle(!isPlain(valueOf(url)))
    $('#platziverse-broker-plain').toggle(isPlain(valueOf(url)) && !/^\w+:\/\/(?:[^@/]*@)?(?:127\.|localhost|\[::1\])/i.test(valueOf(url)))
    $('#node-input-clientId').trigger('change')
  }).trigger('change')
  hours.on('input change', () => {
    const seconds = Number(valueOf(hours) || upgrade(node).sessionHours) * 3600
    const also = inLargeUnits('seconds', seconds, text('platziverse-broker.unit.language'))
    const unit = text('platziverse-broker.remote.hours')
    $('#platziverse-broker-hours').text(also === undefined ? unit : text('platziverse-broker.unit.also', { unit, value: also }))
  }).trigger('change')
}

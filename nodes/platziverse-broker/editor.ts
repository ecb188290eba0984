import { isLoopback } from '../../lib/broker/loopback.ts'
import { isPlain } from '../shared/editor/address.ts'
import { offerToWaiting } from '../shared/editor/broker-select.ts'
import { isFilled } from '../shared/editor/fields.ts'
import { prepareTabs, showMissing, type Part } from '../shared/editor/form.ts'
import type { List } from '../shared/editor/list.ts'
import { RED, registerNode, type EditorNode } from '../shared/editor/red.ts'
import { wholeNumber } from '../shared/editor/validate.ts'
import { brokerDefaults as defaults, type BrokerConfig, type SavedListener } from './config.ts'
import { portText, prepareAddresses } from './editor/addresses.ts'
import { addressOf, clientIdProblem, groupProblem, inMode, isElsewhere, placeOf, prepareMode, shardsProblem, urlProblem } from './editor/elsewhere.ts'
import { isOpen, text, type BrokerNode } from './editor/form.ts'
import { limitProblems, prepareLimits } from './editor/limits.ts'
import { hasTls, listenerProblems, prepareListeners, type ListenerProblem } from './editor/listeners.ts'
import { prepareRules, ruleProblems } from './editor/rules.ts'
import { prepareUsers, usersOf } from './editor/users.ts'
import { upgrade } from './migrations.ts'

const tabNames = ['general', 'listeners', 'users', 'rules', 'limits', 'storage'] as const

/** The parts of the form that was opened last. */
let parts: { listeners: List<SavedListener>, users: Part, rules: Part, limits: Part } | undefined

registerNode<BrokerConfig, 'users' | 'user' | 'password'>('platziverse-broker', { defaults, upgrade }, {
  category: 'platziverse',
  color: '#62b893',
  icon: 'platziverse-broker.svg',
  inputs: 1,
  outputs: 2,
  properties: {
    host: { validate: inMode('embedded', function (value, _options) { return hostProblem(this, String(value).trim()) ?? true }) },
    port: { validate: inMode('embedded', wholeNumber(() => text('platziverse-broker.form.port'), 0, 65_535)) },
    listeners: {
      validate: inMode('embedded', function (value, _options) { return problemsOf(this, value as SavedListener[])[0]?.text ?? true })
    },
    origins: { validate: inMode('embedded', (value, _options) => originsProblem(String(value)) ?? true) },
    tls: { type: 'tls-config', validate (value, _options) { return tlsProblem(this, String(value)) ?? true } },
    rules: { validate: inMode('embedded', (value, _options) => ruleProblems(value as BrokerConfig['rules'])[0]?.text ?? true) },
    limits: { validate: inMode('embedded', (value, _options) => limitProblems(value as BrokerConfig['limits'])[0] ?? true) },
    statistics: { validate: wholeNumber(() => text('platziverse-broker.form.statistics'), 0) },
    sys: { validate: inMode('embedded', wholeNumber(() => text('platziverse-broker.form.sys'), 0)) },
    url: { validate: inMode('elsewhere', (value, _options) => urlProblem(String(value)) ?? true) },
    group: { validate: inMode('elsewhere', (value, _options) => groupProblem(String(value)) ?? true) },
    shards: { validate: inMode('elsewhere', (value, _options) => shardsProblem(String(value)) ?? true) },
    clientId: { validate: inMode('elsewhere', function (value, _options) { return clientIdProblem(this, String(value)) ?? true }) },
    keepalive: { validate: inMode('elsewhere', wholeNumber(() => text('platziverse-broker.remote.keepalive'), 0, 65_535)) },
    sessionHours: { validate: inMode('elsewhere', wholeNumber(() => text('platziverse-broker.remote.session'), 1, 1_000_000)) },
    receiveMaximum: { validate: inMode('elsewhere', wholeNumber(() => text('platziverse-broker.remote.receiveMaximum'), 1, 65_535)) }
  },
  // Names and hashes; the form needs both, so it is no `password`, which the editor never gets.
  credentials: { users: { type: 'text' }, user: { type: 'text' }, password: { type: 'password' } },
  paletteLabel: () => text('platziverse-broker.label.palette'),
  label () { return this.name || (placeOf(this) === '0' ? text('platziverse-broker.label.anyPort') : text('platziverse-broker.label.canvas', { port: placeOf(this) })) },
  labelStyle () { return this.name ? 'node_label_italic' : '' },
  inputLabels: () => text('platziverse-broker.input.control'),
  outputLabels: output => output === 0 ? text('platziverse-broker.output.clients') : text('platziverse-broker.output.statistics'),
  onadd () { offerToWaiting(this, ['agent-in', 'agent-out', 'platziverse-bridge']) },
  oneditprepare () { prepare(this) },
  oneditsave () {
    const { userCount, hasLogin } = upgrade(this)
    for (const part of Object.values(parts ?? {})) part.save()
    this.hasLogin = isFilled('user', 'password')
    // Node-RED takes true for a change that it does not see itself.
    return userCount !== upgrade(this).userCount || hasLogin !== this.hasLogin
  }
})

function prepare (node: BrokerNode): void {
  parts = undefined
  const box = $('#node-input-anonymous')
  const host = $('#node-input-host')
  showMissing(node, upgrade(node))
  $('#node-input-folder').attr('placeholder', `platziverse-broker/${node.id}`)

  prepareTabs('platziverse-broker', tabNames, name => text(`platziverse-broker.tab.${name}`))
  const users = prepareUsers(node)
  const listeners = prepareListeners(node, value => problemsOf(node, value), () => { $('#node-input-tls').trigger('change') })
  parts = { listeners, users, rules: prepareRules(node), limits: prepareLimits(node) }

  const showAddresses = prepareAddresses(node, () => { show() })
  const show = () => {
    const anonymous = box.prop('checked') === true
    const byFlow = isByFlow(node)
    const known = byFlow || (usersOf(node)?.length ?? 0) > 0
    $('#platziverse-broker-login-users').toggle(!byFlow)
    $('#platziverse-broker-login-flow').toggle(byFlow)
    $('#platziverse-broker-open').toggle(anonymous)
    $('#platziverse-broker-known').toggle(known && !anonymous)
    $('#platziverse-broker-closed').toggle(!known && !anonymous)
    const address = String(host.val() ?? '').trim()
    const port = String($('#node-input-port').val() ?? '').trim() || String(defaults.port)
    showAddresses({ host: address, port, isOpen: anonymous || known })
    $('#platziverse-broker-in-clear').toggle(known && !anonymous && (address === '' || !isOfThisMachine(address)))
      .find('span').text(text('platziverse-broker.form.inClear', { host: address || text('platziverse-broker.form.hostOpen'), port: portText(port) }))
    host.attr('placeholder', anonymous || known ? text('platziverse-broker.form.hostOpen') : text('platziverse-broker.form.hostClosed'))
    host.trigger('change')
  }
  box.add('#node-input-users, #node-input-login').on('change', show)
  $('#node-input-port').on('input change', show)
  host.on('input', show)
  $('#node-input-host, #node-input-port, #node-input-tls').on('input change', () => { listeners.check() })
  listeners.check()
  prepareMode(node)
  $('#node-input-persistence').on('change', function () { $('#platziverse-broker-folder').toggle($(this).val() === 'disk') })
}

/** Whether the flow decides on logins. */
function isByFlow (node: EditorNode & BrokerConfig): boolean {
  return (isOpen(node) ? $('#node-input-login').val() : upgrade(node).login) === 'flow'
}

/** What is wrong with a host: nothing if strangers may connect, or if there are users, or may be. */
function hostProblem (node: EditorNode & BrokerConfig, host: string): string | undefined {
  if (/:\/\/|@/.test(host)) return text('platziverse-broker.validation.hostUrl', { elsewhere: text('platziverse-broker.form.elsewhere') })
  // In the open form the box counts as it is ticked, not as it was saved.
  const anonymous = isOpen(node) ? $('#node-input-anonymous').prop('checked') === true : node.anonymous
  if (anonymous || isOfThisMachine(host) || isByFlow(node) || usersOf(node)?.length !== 0) return undefined
  return text('platziverse-broker.validation.hostClosed')
}

function problemsOf (node: EditorNode & BrokerConfig, listeners: SavedListener[]): ListenerProblem[] {
  const field = (name: 'host' | 'port') => String((isOpen(node) ? $(`#node-input-${name}`).val() : node[name]) ?? '').trim()
  return listenerProblems(listeners, { host: field('host'), port: field('port') }, host => hostProblem(node, host))
}

/** A certificate is needed only if a listener uses TLS; of a broker elsewhere, Node knows the public authorities. */
function tlsProblem (node: EditorNode & BrokerConfig, id: string): string | undefined {
  if (isElsewhere(node)) {
    const isGone = id !== '' && id !== '_ADD_' && RED.nodes.node(id) === undefined
    return isGone && !isPlain(addressOf(node)) ? text('platziverse-broker.validation.tlsGone') : undefined
  }
  if (!hasTls(parts !== undefined && isOpen(node) ? parts.listeners.value() : upgrade(node).listeners)) return undefined
  if (id === '' || id === '_ADD_') return text('platziverse-broker.validation.tlsMissing')
  return RED.nodes.node(id) === undefined ? text('platziverse-broker.validation.tlsGone') : undefined
}

function originsProblem (origins: string): string | undefined {
  const wrong = origins.split(/[\s,]+/).find(origin => !['', '*', 'null'].includes(origin) && !/^https?:\/\/[^/?#]+\/?$/i.test(origin))
  return wrong === undefined ? undefined : text('platziverse-broker.validation.origin', { origin: wrong })
}

/** Whether only this machine can come in by a host; the runtime looks names up. */
function isOfThisMachine (host: string): boolean {
  const isAddress = /^[\d.]+$/.test(host) || host.includes(':')
  return !isAddress || isLoopback(host)
}

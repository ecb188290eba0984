import { input, select, valueOf } from '../../shared/editor/fields.ts'
import { markTab, numberOrText } from '../../shared/editor/form.ts'
import { prepareList, type Fields, type List, type RowProblem } from '../../shared/editor/list.ts'
import { numberProblem } from '../../shared/editor/validate.ts'
import { customaryCertificatePort, customaryPorts, type SavedListener } from '../config.ts'
import { upgrade } from '../migrations.ts'
import { text, type BrokerNode } from './form.ts'

export type ListenerProblem = RowProblem<SavedListener>

type Address = Pick<SavedListener, 'host' | 'port'>

const empty: SavedListener = { transport: 'tcp', host: '', port: '', path: '/mqtt', certificates: 'none' }
const kinds = ['tcp', 'tls', 'ws', 'wss', 'path'] as const
const certificates = ['none', 'required', 'username'] as const
const kindText = (kind: string): string => text(`platziverse-broker.transport.${kind}`)
const certificateText = (kind: string): string => text(`platziverse-broker.certificates.${kind}`)

export function hasTls (listeners: readonly SavedListener[]): boolean {
  return listeners.some(({ transport }) => transport === 'tls' || transport === 'wss')
}

/**
 * What is wrong with the listeners of a broker.
 * @param first the listener of the first tab
 * @param hostProblem what is wrong with a host
 */
export function listenerProblems (
  listeners: readonly SavedListener[], first: Address, hostProblem: (host: string) => string | undefined
): ListenerProblem[] {
  const problems: ListenerProblem[] = []
  for (const [index, listener] of listeners.entries()) {
    const number = index + 1
    const add = (field: keyof SavedListener, problem: string | undefined) => {
      if (problem !== undefined) problems.push({ index, field, text: problem })
    }
    const before = listeners.slice(0, index)
    if (listener.transport === 'path') {
      if (!/^\/[^\s?#]+$/.test(listener.path)) add('path', text('platziverse-broker.validation.path', { number }))
      else if (before.some(other => other.transport === 'path' && other.path === listener.path)) {
        add('path', text('platziverse-broker.validation.pathTwice', { path: listener.path }))
      }
      continue
    }
    add('host', hostProblem(listener.host))
    const bad = numberProblem(listener.port, text('platziverse-broker.validation.portOf', { number }), 0, 65_535)
    add('port', bad)
    if (bad === undefined && [first, ...before.filter(({ transport }) => transport !== 'path')].some(other => collide(other, listener))) {
      add('port', text('platziverse-broker.validation.portTwice', { port: listener.port }))
    }
  }
  return problems
}

/** Fills the tab; `changed` is called at every change. */
export function prepareListeners (
  node: BrokerNode, problems: (listeners: SavedListener[]) => ListenerProblem[], changed: () => void
): List<SavedListener> {
  return prepareList({
    place: '#platziverse-broker-listeners',
    addButton: text('platziverse-broker.listener.add'),
    empty,
    show,
    read,
    problems,
    checked (found, rows) {
      const listeners = rows.map(read)
      for (const { host } of rows) host.attr('placeholder', $('#node-input-host').attr('placeholder') ?? '')
      $('#platziverse-broker-listeners-tls').toggle(hasTls(listeners))
      markTab('platziverse-broker-listeners-tab', found.length > 0 || (hasTls(listeners) && $('#node-input-tls').hasClass('input-error')))
    },
    changed
  }, node, 'listeners', upgrade(node).listeners)
}

function show (container: JQuery, listener: SavedListener): Fields<SavedListener> {
  const fields = {
    transport: select(kinds, kindText, listener.transport, text('platziverse-broker.listener.transport')),
    certificates: select(certificates, certificateText, listener.certificates, text('platziverse-broker.listener.certificates')),
    host: input(listener.host, text('platziverse-broker.form.host')),
    port: input(listener.port, text('platziverse-broker.form.port')).css({ flex: '0 0 80px' }),
    path: input(listener.path, text('platziverse-broker.listener.path'))
  }
  container.append(
    $('<div>').append(fields.transport),
    $('<div>').append(fields.host, fields.port, fields.path),
    $('<div>').append(fields.certificates)
  )
  const arrange = () => {
    const { transport } = read(fields)
    const onPath = transport === 'path'
    fields.host.toggle(!onPath)
    fields.port.toggle(!onPath)
    fields.path.toggle(onPath)
    fields.certificates.parent().toggle(transport === 'tls' || transport === 'wss')
  }
  const offerPort = () => {
    const { transport, certificates: asked, port } = read(fields)
    if (transport !== 'path' && isCustomary(port)) fields.port.val(customaryPort(transport, asked))
    arrange()
  }
  fields.transport.on('change', offerPort)
  fields.certificates.on('change', offerPort)
  if (listener.port === '') offerPort()
  arrange()
  return fields
}

function read (fields: Fields<SavedListener>): SavedListener {
  const transport = valueOf(fields.transport) as SavedListener['transport']
  const asked = valueOf(fields.certificates) as SavedListener['certificates']
  // Only what belongs to the kind is saved.
  const onPath = transport === 'path'
  return {
    transport,
    host: onPath ? '' : valueOf(fields.host),
    port: onPath ? '' : numberOrText(valueOf(fields.port)),
    path: onPath ? valueOf(fields.path) : '',
    certificates: transport === 'tls' || transport === 'wss' ? asked : 'none'
  }
}

function customaryPort (transport: keyof typeof customaryPorts, asked: SavedListener['certificates']): number {
  return transport === 'tls' && asked !== 'none' ? customaryCertificatePort : customaryPorts[transport]
}

/** Whether the port is one that the form offered. */
function isCustomary (port: number | string): boolean {
  return port === '' || [customaryCertificatePort, ...Object.values(customaryPorts)].includes(Number(port))
}

function collide (a: Address, b: Address): boolean {
  const sameHost = a.host === b.host || a.host === '' || b.host === ''
  return sameHost && String(a.port).trim() === String(b.port).trim() && Number(a.port) !== 0
}

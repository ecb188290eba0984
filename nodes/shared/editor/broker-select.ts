import { hostOf } from './address.ts'
import { RED, shared, soonAfter, type EditorNode, type Property, type Workspace } from './red.ts'

const brokerType = 'platziverse-broker'

/**
 * The select's id. Not node-input-broker: Node-RED takes an input of that id for one of a config node, and Done throws,
 * because a canvas node has no users. So the select is filled, saved and validated here.
 */
const selectId = 'platziverse-broker-select'

export interface BrokerNode extends EditorNode {
  broker: string
}

/** The `broker` of a node's defaults. `type` makes an import map the id. */
export function brokerProperty (optional = false): Omit<Property<string, BrokerNode>, 'value'> {
  return { type: brokerType, validate (value, _options) { return brokerProblem(value, optional) ?? true } }
}

/** For `onadd`: a node from the palette takes the only broker there is. */
export function chooseOnlyBroker (node: BrokerNode): void {
  const [only, ...others] = brokers()
  if (node.broker === '' && only !== undefined && others.length === 0 && isNew(node)) node.broker = only.id
}

/** For the broker's `onadd`: nodes of `types` that wait for a broker take the first one there is. */
export function offerToWaiting (broker: EditorNode, types: readonly string[]): void {
  if (!isNew(broker) || brokers().length > 0) return
  setTimeout(() => {
    if (RED.nodes.node(broker.id) === undefined) return
    RED.nodes.eachNode(node => {
      if (!types.includes(node.type) || (node as BrokerNode).broker !== '' || flowOf(node)?.locked === true) return
      (node as BrokerNode).broker = broker.id
      node.changed = true
      node.dirty = true
      RED.editor.validateNode(node)
    })
    RED.view.redraw()
  })
}

/** Validates the nodes of `type` again whenever brokers or their flows come, go or change. */
export function watchBrokers (type: string): void {
  soonAfter(['nodes:add', 'nodes:remove', 'nodes:change', 'flows:change'], () => {
    for (const node of RED.nodes.filterNodes({ type })) RED.editor.validateNode(node)
    RED.view.redraw()
  }, subject => {
    const changed = (subject as Partial<EditorNode> | undefined)?.type
    return changed === brokerType || changed === 'tab'
  })
}

/** For `oneditprepare`. `none` is the text for no broker, for nodes that can do without one; `changed` is called with every choice. */
export function prepareBrokerSelect (
  node: BrokerNode, { none, changed }: { none?: string, changed?: (broker: string) => void } = {}
): void {
  const select = $<HTMLSelectElement>(`#${selectId}`)
  const found = brokers()
  const add = (value: string, text: string) => $('<option>').val(value).text(text).appendTo(select)

  if (none !== undefined) add('', none)
  else if (found.length === 0) add('', shared('shared.broker.none'))
  else if (node.broker === '' && found.length > 1) add('', shared('shared.broker.choose'))
  for (const broker of found) add(broker.id, describe(broker))
  // A deleted broker stays chosen, and shown as deleted, until another one is chosen.
  if (node.broker !== '' && !found.some(broker => broker.id === node.broker)) add(node.broker, shared('shared.broker.gone'))

  const preferred = node.broker === '' && none === undefined && found.length === 1 ? found[0]?.id : node.broker
  select.val(preferred ?? '').data('node', node.id)
  $('#platziverse-broker-hint').text(shared('shared.broker.hint')).toggle(found.length === 0 && none === undefined)
  select.on('change', () => {
    const value = String(select.val() ?? '')
    const problem = brokerProblem(value, none !== undefined)
    select.toggleClass('input-error', problem !== undefined).attr('title', problem ?? '')
    changed?.(value)
  }).trigger('change')
}

/** The broker chosen in the open form when that is the form of `node`, else the saved one. */
export function currentBroker (node: BrokerNode): string {
  const select = $(`#${selectId}`)
  return select.data('node') === node.id ? String(select.val() ?? '') : node.broker
}

/** For `oneditsave`: Node-RED sees the change of the property and makes the node changed. */
export function saveBrokerSelect (node: BrokerNode): void {
  node.broker = currentBroker(node)
}

function brokers (): EditorNode[] {
  const order = RED.nodes.getWorkspaceOrder()
  const place = (node: EditorNode) => (order.indexOf(node.z ?? '') + 1) || order.length + 1
  return RED.nodes.filterNodes({ type: brokerType }).sort((a, b) => place(a) - place(b))
}

/** Such as "Plant (1883) – Flow 2". */
function describe (broker: EditorNode): string {
  const { name, port, mode, url } = broker as EditorNode & { name?: string, port?: string | number, mode?: string, url?: string }
  const place = mode === 'elsewhere' ? hostOf((url ?? '').trim()) : port
  const flow = flowOf(broker)
  const label = name ? `${name} (${place ?? ''})` : RED.utils.getNodeLabel(broker)
  const disabled = isDisabled(broker) ? ' ' + shared('shared.broker.disabled') : ''
  return `${label} – ${flow?.label ?? flow?.name ?? ''}${disabled}`
}

function brokerProblem (id: unknown, optional: boolean): string | undefined {
  if (typeof id !== 'string' || id === '') return optional ? undefined : shared('shared.validation.brokerMissing')
  const broker = RED.nodes.node(id)
  if (broker?.type !== brokerType) return shared('shared.validation.brokerGone')
  return isDisabled(broker) ? shared('shared.validation.brokerDisabled') : undefined
}

function isDisabled (node: EditorNode): boolean {
  return node.d === true || flowOf(node)?.disabled === true
}

function flowOf (node: EditorNode): Workspace | undefined {
  return RED.nodes.workspace(node.z ?? '') ?? RED.nodes.subflow(node.z ?? '')
}

/** `onadd` also runs for pasted nodes, which are in their flow already: those stay as they were copied. */
function isNew (node: EditorNode): boolean {
  return !RED.nodes.node(node.id)
}

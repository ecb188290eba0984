// The one place that narrows the editor's global: what this package uses of it, on Node-RED 4.1 and 5.

/** A validator of Node-RED 3 and later: it must take two arguments, else its text is not shown. */
export type Validator<Node extends EditorNode = EditorNode> = (this: Node, value: unknown, options: object) => true | string

export interface Property<Value = unknown, Node extends EditorNode = EditorNode> {
  value: Value
  /** The type of node that the property refers to by its id. */
  type?: string
  required?: boolean
  /** What Node-RED calls the property where it says that it is missing. */
  label?: string
  validate?: Validator<Node>
}

export interface Definition<Config extends object, Credentials extends string = never> {
  category: string
  defaults: { [Name in keyof Config]: Property<Config[Name], EditorNode & Config> }
  credentials?: Record<Credentials, { type: 'text' | 'password' }>
  color?: string
  icon?: string
  inputs?: 0 | 1
  outputs?: number
  align?: 'left' | 'right'
  paletteLabel?: (this: unknown) => string
  label?: (this: EditorNode & Config) => string
  labelStyle?: (this: EditorNode & Config) => string
  inputLabels?: (this: EditorNode & Config) => string
  outputLabels?: (this: EditorNode & Config, output: number) => string
  /** When the node is about to be created from the palette, and when it is pasted; not when flows load. */
  onadd?: (this: EditorNode & Config) => void
  oneditprepare?: (this: EditorNode & Config) => void
  /** True: the node changed, which Node-RED would not see by its fields. */
  oneditsave?: (this: EditorNode & Config) => unknown
}

export interface EditorNode {
  readonly id: string
  readonly type: string
  /** The flow or subflow it is on; none for a global config node. */
  readonly z?: string
  /** Disabled. */
  readonly d?: boolean
  readonly _def: { readonly defaults: Record<string, Property> }
  /** Must be drawn again. */
  dirty?: boolean
  /** Differs from what is deployed. */
  changed?: boolean
  valid?: boolean
  users?: EditorNode[]
}

export interface Link {
  source: EditorNode
  sourcePort: number
  target: EditorNode
}

export interface Workspace {
  id: string
  /** A flow's name. */
  label?: string
  /** A subflow's name. */
  name?: string
  disabled?: boolean
  /** Its nodes must not be changed: the editor throws. */
  locked?: boolean
}

export interface Subflow extends Workspace {
  in: EditorNode[]
  instances: EditorNode[]
}

interface Tab {
  id: string
  label: string
}

export interface Annotation {
  type: 'badge'
  class: string
  filter (node: EditorNode): boolean
  element (node: EditorNode): SVGElement
  show (node: EditorNode): boolean
  tooltip (node: EditorNode): string | undefined
}

export interface SidebarTab {
  id: string
  /** On the tab, and in menus. */
  label: string
  name: string
  content: HTMLElement
  iconClass: string
  /** Of Node-RED's list of actions: its keys are shown beside the name. */
  action: string
  /** Usable while a form is open. */
  enableOnEdit: boolean
}

/** What adds to the editor, once it is there; of a type, if there is a use for it. */
export interface Plugin {
  type?: 'node-red-flow-suggestion-source'
  onadd? (): void
  /** What may follow; the editor asks the first plugin of the type alone. */
  getSuggestions? (context: SuggestionContext): Promise<Suggestion[]>
}

/** Where the next node is to be: behind an output or before an input of a node, or anywhere. */
export interface SuggestionContext {
  source?: EditorNode
  sourcePort?: number
  /** 0: an output; 1: an input. */
  sourcePortType?: 0 | 1
}

/** Nodes as they are exported; the first one is wired to the source. */
export interface Suggestion {
  label: string
  nodes: Array<{ id: string, type: string, x: number, y: number, wires: string[][] }>
}

type EventName =
  | 'nodes:add' | 'nodes:remove' | 'nodes:change'
  | 'links:add' | 'links:remove'
  | 'flows:change' | 'flows:loaded'
  | 'workspace:dirty'

interface Editor {
  _ (key: string, options?: Record<string, string | number>): string
  nodes: {
    registerType<Config extends object, Credentials extends string = never> (
      type: string, definition: Definition<Config, Credentials>
    ): void
    getType (type: string): Definition<Record<string, unknown>> | undefined
    id (): string
    node (id: string): EditorNode | undefined
    add (node: object): void
    /** Makes a node one of the `users` of the config nodes that it refers to. */
    updateConfigNodeUsers (node: EditorNode, options: { action: 'add' }): void
    filterNodes (filter: { type?: string, z?: string }): EditorNode[]
    eachNode (callback: (node: EditorNode) => void): void
    eachConfig (callback: (node: EditorNode) => void): void
    eachLink (callback: (link: Link) => void): void
    workspace (id: string): Workspace | undefined
    subflow (id: string): Subflow | undefined
    getWorkspaceOrder (): string[]
    dirty (): boolean
    dirty (value: boolean): void
  }
  editor: { validateNode (node: EditorNode): boolean }
  history: { push (event: { t: 'add', nodes: string[], dirty: boolean }): void }
  tabs: { create (options: { id: string, onchange (tab: Tab): void }): { addTab (tab: Tab): void } }
  notify (text: string, type: 'error'): void
  plugins: {
    registerPlugin (id: string, definition: Plugin): void
    getPluginsByType (type: Plugin['type']): Plugin[]
  }
  sidebar: {
    addTab (tab: SidebarTab): void
    show (id: string): void
  }
  comms: {
    subscribe (topic: string, heard: (topic: string, data: unknown) => void): void
    unsubscribe (topic: string, heard: (topic: string, data: unknown) => void): void
  }
  user: { hasPermission (permission: string): boolean }
  actions: { add (name: `${string}:${string}`, act: () => void, options: { label: string }): void }
  keyboard: Record<'enable' | 'disable', () => void>
  i18n: { lang (): string }
  events: { on (event: EventName, listener: (subject: unknown) => void): void }
  utils: { getNodeLabel (node: EditorNode): string }
  view: {
    redraw (): void
    reveal (id: string, select: boolean): void
    annotations: { register (id: string, annotation: Annotation): void }
  }
}

export const RED = (globalThis as unknown as { RED: Editor }).RED

/** What a node's form says beside what the node saves: see `registerNode`. */
export interface Form<Config extends object, Credentials extends string = never> extends Omit<Definition<Config, Credentials>, 'defaults'> {
  /** Properties that are checked, or refer to a config node. */
  properties?: { [Name in keyof Config]?: Omit<Property<Config[Name], EditorNode & Config>, 'value'> }
}

/**
 * Registers a node that saves the properties that `defaults` has. To its validators, a node that an older version saved is what
 * `upgrade` makes of it: an old flow is valid without its forms being opened.
 */
export function registerNode<Config extends object, Credentials extends string = never> (
  type: string,
  { defaults, upgrade }: { defaults: Config, upgrade (saved: Partial<Config>): Config },
  { properties = {}, ...form }: Form<Config, Credentials>
): void {
  const saved = (Object.keys(defaults) as Array<keyof Config>).map(name => {
    const { validate, ...property }: Omit<Property<unknown, EditorNode & Config>, 'value'> = properties[name] ?? {}
    if (validate === undefined) return [name, { value: defaults[name], ...property }]
    const check: Validator<EditorNode & Config> = function (value, options) {
      return validate.call(this, value ?? upgrade(this)[name], options)
    }
    return [name, { value: defaults[name], ...property, validate: check }]
  })
  RED.nodes.registerType<Config, Credentials>(type, {
    ...form,
    defaults: Object.fromEntries(saved) as Definition<Config>['defaults']
  } as Definition<Config, Credentials>)
}

const packageName = '@platziverse/node-red-platziverse'

/** Looks texts up in the catalogue of a node of this package, by the key's full path. */
export function textsOf (node: string): (key: string, options?: Record<string, string | number>) => string {
  return (key, options) => RED._(`${packageName}/${node}:${key}`, options)
}

/** A text that the catalogue need not have; undefined where it has none: Node-RED answers with the key. */
export function textIfAny (text: ReturnType<typeof textsOf>, key: string): string | undefined {
  const said = text(key)
  return said.endsWith(key) ? undefined : said
}

/** The texts that several nodes share live in the broker's catalogue. */
export const shared = textsOf('platziverse-broker')

/** Calls `act` once, soon after any number of events. */
export function soonAfter (events: EventName[], act: () => void, when: (subject: unknown) => boolean = () => true): void {
  let planned = false
  for (const event of events) {
    RED.events.on(event, subject => {
      if (planned || !when(subject)) return
      planned = true
      setTimeout(() => {
        planned = false
        act()
      })
    })
  }
}

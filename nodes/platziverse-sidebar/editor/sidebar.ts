import type { AgentOverview, BrokerOverview, ClientOverview, Overview, Part } from '../../../lib/overview/shown.ts'
import { RED } from '../../shared/editor/red.ts'
import { readPermission, writePermission } from '../config.ts'
import { agentsSection, nameOf as agentName } from './agents.ts'
import { brokersSection, databasesSection, nameOf as brokerName } from './brokers.ts'
import { clientsSection } from './clients.ts'
import { element, write } from './dom.ts'
import { Live } from './live.ts'
import { confirmed } from './question.ts'
import { ask } from './requests.ts'
import { retainedSection } from './retained.ts'
import { numberText, text } from './words.ts'

const id = 'platziverse'
/** ms after the last key until we search. */
const typing = 250

/** Adds the tab, for those who may see it. */
export function addSidebar (): void {
  if (!RED.user.hasPermission(readPermission)) return
  const content = makeContent(RED.user.hasPermission(writePermission))
  RED.actions.add('platziverse:show-sidebar', () => { RED.sidebar.show(id) }, { label: text('platziverse-sidebar.action.show') })
  RED.sidebar.addTab({
    id,
    label: text('platziverse-sidebar.tab.name'),
    name: text('platziverse-sidebar.tab.name'),
    content,
    iconClass: 'fa fa-heartbeat',
    action: 'platziverse:show-sidebar',
    enableOnEdit: true
  })
}

function makeContent (mayWrite: boolean): HTMLElement {
  let brokers: BrokerOverview[] = []
  const search = element('input', { 'type': 'search', 'maxlength': '128', 'autocomplete': 'off', 'spellcheck': 'false', 'aria-label': text('platziverse-sidebar.search.label'), 'placeholder': text('platziverse-sidebar.search.label') })
  const searched = (): string => search.value.trim()
  /** What became of what was done, or why nothing is shown; and for those who do not see it, what a search found. */
  const said = element('p', { class: 'platziverse-side-said', role: 'status' })
  const found = element('p', { class: 'platziverse-side-unseen', role: 'status' })
  const say = (sentence: string): void => {
    write(said, sentence)
    said.hidden = sentence === ''
  }
  say('')

  const asks = (): void => { live.now() }
  const brokersPart = brokersSection(asks)
  const databasesPart = databasesSection(asks)
  const agentsPart = agentsSection({ asks, ...mayWrite && { forget: (agent, database) => { void forget(agent, database) } } })
  const clientsPart = clientsSection({
    asks,
    brokerName: broker => brokers.length < 2 ? undefined : brokers.filter(({ id }) => id === broker).map(brokerName)[0],
    ...mayWrite && { disconnect: (client, name) => { void disconnect(client, name) } }
  })
  const retainedPart = retainedSection({ asks, ...mayWrite && { clear: (topic, broker) => { void clear(topic, broker) } } })

  const live = new Live(async due => {
    const wanted = due.filter(part => isOpen(part))
    const asked = searched()
    if (wanted.length === 0) return
    try {
      const answer = await ask<Overview>('look', { parts: wanted, search: asked, clients: clientsPart.section.most, agents: agentsPart.section.most, ...agentsPart.asked(), ...retainedPart.asked(wanted.includes('retained')) })
      show(answer, asked !== '')
      if (failed) say('')
      failed = false
    } catch (error) {
      failed = true
      say((error as Error).message)
    }
  })
  let failed = false

  function isOpen (part: Part): boolean {
    // Their names are needed by the others.
    if (part === 'brokers') return true
    return { agents: agentsPart, clients: clientsPart, retained: retainedPart }[part].section.isOpen
  }

  function show ({ now, brokers: shown, databases, agents, clients, retained }: Overview, isSearch: boolean): void {
    if (shown !== undefined) {
      brokers = shown
      brokersPart.show(shown, now)
      retainedPart.offer(shown)
    }
    if (databases !== undefined) {
      databasesPart.show(databases)
      agentsPart.offer(databases)
    }
    if (agents !== undefined) agentsPart.show(agents, now, isSearch)
    if (clients !== undefined) clientsPart.show(clients, isSearch)
    if (retained !== undefined) retainedPart.show(retained, isSearch)
    if (isSearch && agents?.list !== undefined && clients !== undefined) {
      write(found, text('platziverse-sidebar.list.announced', { agents: numberText(agents.list.found), clients: numberText(clients.found) }))
    } else if (!isSearch) write(found, '')
  }

  async function act (act: () => Promise<string>): Promise<void> {
    try {
      say(await act())
      failed = false
    } catch (error) {
      say((error as Error).message)
    }
    live.now()
  }

  async function disconnect ({ broker, clientId }: ClientOverview, name: string): Promise<void> {
    if (!await confirmed(text('platziverse-sidebar.ask.disconnect', { name }), text('platziverse-sidebar.ask.disconnectWhat'), text('platziverse-sidebar.action.disconnect'))) return
    await act(async () => {
      const { disconnected } = await ask<{ disconnected: boolean }>('disconnect', { broker, clientId })
      return text(disconnected ? 'platziverse-sidebar.done.disconnected' : 'platziverse-sidebar.done.gone', { name })
    })
  }

  async function forget (agent: AgentOverview, database: string): Promise<void> {
    const name = agentName(agent)
    if (!await confirmed(text('platziverse-sidebar.ask.forget', { name }), text('platziverse-sidebar.ask.forgetWhat'), text('platziverse-sidebar.action.forget'))) return
    await act(async () => {
      const { forgotten } = await ask<{ forgotten: boolean }>('forget', { database, uuid: agent.uuid })
      return text(forgotten ? 'platziverse-sidebar.done.forgotten' : 'platziverse-sidebar.done.gone', { name })
    })
  }

  async function clear (topic: string, broker: string): Promise<void> {
    if (!await confirmed(text('platziverse-sidebar.ask.clear', { name: topic }), text('platziverse-sidebar.ask.clearWhat'), text('platziverse-sidebar.action.clear'))) return
    await act(async () => {
      const { cleared } = await ask<{ cleared: boolean }>('clear', { broker, topic })
      return text(cleared ? 'platziverse-sidebar.done.cleared' : 'platziverse-sidebar.done.gone', { name: topic })
    })
  }

  let pause: ReturnType<typeof setTimeout> | undefined
  search.addEventListener('input', () => {
    clearTimeout(pause)
    pause = setTimeout(() => { live.now() }, typing)
  })

  const sections = [brokersPart, databasesPart, agentsPart, clientsPart, retainedPart].map(({ section }) => section.element)
  const content = element('div', { class: 'platziverse-side' },
    element('div', { class: 'red-ui-sidebar-header platziverse-side-header', role: 'search' }, search), said, found,
    element('div', { class: 'platziverse-side-sections' }, ...sections))
  watchSight(content, isSeen => {
    if (isSeen) live.start()
    else live.stop()
  })
  return content
}

/** Calls `changed` when an element comes into sight and when it goes: its tab or its sidebar was opened or closed, or the page was. */
function watchSight (watched: HTMLElement, changed: (isSeen: boolean) => void): void {
  let isShown = false
  const tell = (): void => { changed(isShown && document.visibilityState === 'visible') }
  new IntersectionObserver(entries => {
    isShown = entries.at(-1)?.isIntersecting === true
    tell()
  }).observe(watched)
  document.addEventListener('visibilitychange', tell)
}

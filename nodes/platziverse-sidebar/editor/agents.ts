import { mostOpen, type AgentOverview, type AgentsInDatabase, type DatabaseOverview } from '../../../lib/overview/shown.ts'
import { chooser } from './chooser.ts'
import { iconButton } from './dom.ts'
import { itemRow } from './item.ts'
import { Section } from './section.ts'
import { agoText, databaseText, line, numberText, text, timeText, valueText } from './words.ts'

export interface AgentsOptions {
  /** See `SectionOptions`. */
  asks (): void
  /** Absent: the user may not. */
  forget?: (agent: AgentOverview, database: string) => void
}

export interface AgentsSection {
  section: Section<AgentOverview>
  /** The database to ask for, and whose metrics. */
  asked (): { database: string, open: string[] }
  offer (databases: DatabaseOverview[]): void
  show (agents: AgentsInDatabase, now: number, isSearch: boolean): void
}

/** The section of the agents of one database. */
export function agentsSection ({ asks, forget }: AgentsOptions): AgentsSection {
  /** UTC ms of the runtime. */
  let now = Date.now()
  let database = ''
  const open = new Set<string>()
  const chosen = chooser('platziverse-side-database', text('platziverse-sidebar.choose.database'), asks)
  const section = new Section<AgentOverview>({
    name: 'agents',
    isOpen: true,
    keyOf: ({ uuid }) => uuid,
    asks,
    row: first => itemRow(first, {
      say: agent => {
        const { connected, lastSeenAt, values, more } = agent
        const seen = lastSeenAt === null ? undefined : agoText(now - lastSeenAt)
        const glimpse = values.slice(0, 3).map(({ type, value }) => `${type} ${valueText(value)}`)
        return {
          tone: connected ? 'good' : 'away',
          name: nameOf(agent),
          glance: line(text(connected ? 'platziverse-sidebar.state.connected' : 'platziverse-sidebar.state.disconnected'), seen, ...glimpse, (more || values.length > 3) && '…'),
          facts: factsOf(agent),
          table: [
            ...values.map(({ type, value, ts }): [string, string, string] => [type, valueText(value), agoText(now - ts)]),
            ...more ? [['…', '', ''] as [string, string, string]] : []
          ]
        }
      },
      actions: agent => forget === undefined
        ? []
        : [iconButton('trash-o', text('platziverse-sidebar.action.forgetNamed', { name: nameOf(first) }), () => { forget(agent(), database) })],
      turned ({ uuid }, isOpen) {
        open.delete(uuid)
        if (isOpen) open.add(uuid)
        asks()
      }
    })
  })
  section.tools.append(chosen.element)
  return {
    section,
    // The last ones that were opened.
    asked: () => ({ database: chosen.value(), open: [...open].slice(-mostOpen) }),
    offer (databases) {
      chosen.offer(databases.map(database => ({ value: database.id, label: databaseText(database) })))
    },
    show ({ database: shown, list, refusal }, at, isSearch) {
      now = at
      database = shown ?? ''
      if (list === undefined) return section.fail(refusal === undefined ? text('platziverse-sidebar.none.databases') : `${refusal.detail} ${refusal.help}`)
      const { total, connected, found, rows } = list
      const count = isSearch
        ? text('platziverse-sidebar.list.found', { found: numberText(found), total: numberText(total) })
        : text('platziverse-sidebar.agent.count', { connected: numberText(connected), total: numberText(total) })
      section.show(rows, { found, count, none: text(isSearch ? 'platziverse-sidebar.none.found' : 'platziverse-sidebar.none.agents') })
      const there = new Set(rows.map(({ uuid }) => uuid))
      for (const uuid of open) if (!there.has(uuid)) open.delete(uuid)
    }
  }
}

export function nameOf ({ name, uuid }: Pick<AgentOverview, 'name' | 'uuid'>): string {
  return name || uuid
}

function factsOf ({ uuid, username, hostname, pid, connected, connectedAt, lastSeenAt }: AgentOverview): Array<[string, string]> {
  const facts: Array<[string, string | null]> = [
    ['uuid', uuid],
    ['username', username],
    ['host', hostname],
    ['pid', pid === null ? null : String(pid)],
    ['since', connected && connectedAt !== null ? timeText(connectedAt) : null],
    ['lastSeen', lastSeenAt === null ? null : timeText(lastSeenAt)]
  ]
  return facts.flatMap(([word, value]) => value === null ? [] : [[text(`platziverse-sidebar.fact.${word}`), value]])
}

import { boardLimits, type Board, type ShownAgent, type ShownMetric } from './board.ts'
import { showCount, showSpan, showValue } from './numbers.ts'
import { cutTo, fit, plain, widthOf } from './plain.ts'
import { sparkline } from './sparkline.ts'
import type { Language, Texts } from './texts/texts.ts'

/** Where somebody is on the screen. */
export interface Place {
  /** The chosen agent, by name. */
  chosen: number
  /** The first one that is shown. */
  top: number
  /** The agent whose metrics are all shown. */
  opened: ShownAgent | undefined
  /** The first line of them. */
  line: number
}

export interface Around {
  address: string
  /** How the connection is. */
  link: string
  isLinked: boolean
  /** Messages a second. */
  rate: number
  now: number
  texts: Texts
  language: Language
  colours: boolean
}

export interface Size { columns: number, rows: number }

/** Columns of a metric: its type, its value, its history, and the space between them. */
const cell = { type: 16, value: 9, history: 9, gap: 4 } as const
const cellWidth = cell.type + cell.value + cell.history + cell.gap
/** Lines of metrics of an agent in the list. */
const mostLines = 3
const least: Size = { columns: 44, rows: 6 }

type Paint = (style: keyof typeof styles, text: string) => string
const styles = { bold: '1', dim: '2', green: '32', red: '31', inverse: '7', cyan: '36' } as const
const colourful: ReadonlySet<string> = new Set(['green', 'red', 'cyan'])

/** The lines of a screen, exactly `size.rows`; `place` is moved to where there is something to see. */
export function frame (board: Board, place: Place, size: Size, around: Around): string[] {
  const { texts, colours } = around
  // Without colours the chosen agent is still to be seen.
  const paint: Paint = (style, text) => colours || !colourful.has(style) ? `\x1b[${styles[style]}m${text}\x1b[0m` : text
  if (size.columns < least.columns || size.rows < least.rows) return filled([cutTo(texts.tooSmall, size.columns)], size.rows)
  const room = size.rows - 3
  const { agents } = board
  if (place.opened !== undefined && !agents.includes(place.opened)) place.opened = undefined
  const body = place.opened === undefined ? listOf(agents, place, { ...size, rows: room }, around, paint) : openOf(place.opened, place, { ...size, rows: room }, around, paint)
  const keys = paint('dim', cutTo(place.opened === undefined ? texts.keys : texts.keysOpen, size.columns))
  return [headOf(board, size, around, paint), '', ...filled(body, room), keys]
}

function headOf (board: Board, { columns }: Size, { address, link, isLinked, rate, texts, language }: Around, paint: Paint): string {
  const { agents, forgotten } = board
  const connected = agents.reduce((count, agent) => count + (agent.connected ? 1 : 0), 0)
  const counts = texts.counts(showCount(agents.length, language), showCount(connected, language), showCount(rate, language))
  const right = forgotten > 0 ? `${counts} · ${texts.forgotten(showCount(forgotten, language))}` : counts
  const title = 'Platziverse'
  const where = plain(address)
  const state = cutTo(plain(link), columns - title.length - 2)
  const room = columns - title.length - 2 - widthOf(state)
  const left = [paint('bold', title), paint(isLinked ? 'green' : 'red', state)]
  // What there is no room for is left out: first the address, then the counts.
  if (room < widthOf(right) + 2) return left.join('  ')
  const withAddress = room >= widthOf(right) + widthOf(where) + 4
  if (withAddress) left.splice(1, 0, where)
  return `${left.join('  ')}${' '.repeat(room - widthOf(right) - (withAddress ? widthOf(where) + 2 : 0))}${right}`
}

function listOf (agents: readonly ShownAgent[], place: Place, size: Size, around: Around, paint: Paint): string[] {
  if (agents.length === 0) return [cutTo(around.texts.waiting, size.columns)]
  const columns = cellsIn(size.columns)
  const heightOf = (agent: ShownAgent | undefined): number => 1 + Math.min(mostLines, Math.max(1, Math.ceil((agent?.size ?? 0) / columns)))
  place.chosen = Math.max(0, Math.min(place.chosen, agents.length - 1))
  // Not above the first, and so that the chosen one is seen whole.
  let first = place.chosen
  for (let height = heightOf(agents[first]); first > 0; first--) {
    height += heightOf(agents[first - 1])
    if (height > size.rows) break
  }
  place.top = Math.max(first, Math.min(place.top, place.chosen))

  const lines: string[] = []
  for (let i = place.top; i < agents.length && lines.length < size.rows; i++) {
    const agent = agents[i]!
    lines.push(titleOf(agent, i === place.chosen, size.columns, around, paint), ...cellsOf(agent, columns, around, paint))
  }
  return lines.slice(0, size.rows)
}

function titleOf (agent: ShownAgent, isChosen: boolean, columns: number, { now, texts, language }: Around, paint: Paint): string {
  const when = agent.seenAt === 0 ? '' : texts.ago(showSpan(Math.floor((now - agent.seenAt) / 1000) * 1000, language))
  const name = cutTo(plain(agent.name || agent.uuid), Math.floor(columns / 2))
  const about = [agent.hostname === agent.name ? '' : plain(agent.hostname), agent.name === '' ? '' : plain(agent.uuid)].filter(text => text !== '').join('  ')
  const room = columns - 2 - widthOf(name) - 2 - widthOf(when) - 1
  const dot = paint(agent.connected ? 'green' : 'red', agent.connected ? '●' : '○')
  return `${dot} ${paint(isChosen ? 'inverse' : 'bold', name)}  ${paint('dim', fit(about, Math.max(0, room)))} ${paint('dim', when)}`
}

function cellsOf (agent: ShownAgent, columns: number, { texts, language }: Around, paint: Paint): string[] {
  const most = columns * mostLines
  const all = agent.size + agent.hidden
  if (all === 0) return [`  ${paint('dim', texts.noMetrics)}`]
  // The last cell says how many more there are.
  const cells = agent.metrics(0, all > most ? most - 1 : most).map(metric => cellOf(metric, language, cell.type, cell.history, paint))
  if (all > most) cells.push(paint('dim', texts.more(all - cells.length)))
  return inColumns(cells, columns)
}

function openOf (agent: ShownAgent, place: Place, { columns, rows }: Size, around: Around, paint: Paint): string[] {
  const { texts, language } = around
  const type = Math.max(cell.type, Math.min(40, columns - cell.value - boardLimits.points - 4))
  const history = Math.max(0, Math.min(boardLimits.points, columns - type - cell.value - 4))
  place.line = Math.max(0, Math.min(place.line, agent.size - (rows - 1) + (agent.hidden > 0 ? 1 : 0)))
  const lines = agent.metrics(place.line, rows - 1).map(metric => `  ${cellOf(metric, language, type, history, paint)}`)
  if (agent.hidden > 0) lines.push(`  ${paint('dim', texts.more(agent.hidden))}`)
  if (agent.size === 0) lines.push(`  ${paint('dim', texts.noMetrics)}`)
  return [titleOf(agent, false, columns, around, paint), ...lines].slice(0, rows)
}

function cellOf ({ type, value, history }: ShownMetric, language: Language, typeWidth: number, historyWidth: number, paint: Paint): string {
  const name = fit(plain(type), typeWidth)
  // A text has no history: it takes the room of it.
  if (typeof value === 'string') return `${name} ${fit(showValue(value, language), cell.value + 1 + historyWidth)}`
  const line = sparkline(history.slice(-historyWidth))
  return `${name} ${fit(showValue(value, language), cell.value, 'right')} ${paint('cyan', fit(line, historyWidth))}`
}

function cellsIn (columns: number): number {
  return Math.max(1, Math.floor((columns - 2) / cellWidth))
}

function inColumns (cells: string[], columns: number): string[] {
  const lines: string[] = []
  for (let i = 0; i < cells.length; i += columns) lines.push(`  ${cells.slice(i, i + columns).join('  ')}`)
  return lines
}

function filled (lines: string[], rows: number): string[] {
  return [...lines, ...Array<string>(Math.max(0, rows - lines.length)).fill('')]
}

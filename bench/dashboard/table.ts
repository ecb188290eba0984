import type { Machine } from '../machine.ts'
import type { Options } from '../options.ts'
import { median } from '../percentiles.ts'
import { describeMachineLine, whole } from '../table.ts'
import { reportEvery } from './site.ts'
import type { DashboardFigures, Update } from './run.ts'

/** The figures as Markdown: a column for each number of agents. */
export function describeDashboard (figures: DashboardFigures[], machine: Machine, { seconds, runs }: Options, date: string): string {
  const line = (cells: string[]): string => `| ${cells.join(' | ')} |`
  const row = (head: string, cell: (of: DashboardFigures) => string): string => line([head, ...figures.map(cell)])
  const range = (values: number[]): string => `${whole(median(values))} (${whole(Math.min(...values))}–${whole(Math.max(...values))})`
  const shown = (update: Update | undefined): string => update === undefined ? '–' : `${whole(Math.round(update.cost) + 0)} (${update.answers.toFixed(1)})`
  const [first] = figures
  const updates = (['overview', 'agent'] as const).flatMap(page => (first?.update[page] ?? []).map(({ viewers }, i) =>
    row(`${page}, ${viewers} viewer${viewers === 1 ? '' : 's'}: ms of the main thread a second (answers a second)`, ({ update }) => shown(update[page][i]))))
  const days = (first?.day ?? []).flatMap(({ every }, i) => [
    row(`24 h of ten metrics every ${every} s: ms from click to points sent`, ({ day }) => range(day[i]?.sent ?? [])),
    row('… CPU of all threads of Node-RED in that', ({ day }) => range(day[i]?.cpu ?? [])),
    row('… to the first chart drawn', ({ day }) => range(day[i]?.drawn ?? []))
  ])
  return [
    [
      row('agents', ({ agents }) => whole(agents)),
      line(['---', ...figures.map(() => '---:')]),
      ...(['first', 'whole'] as const).flatMap(when => [
        row(when === 'first' ? 'first contentful paint, ms' : 'table with agents, ms', ({ paint }) => range(paint.live.map(paint => paint[when]))),
        row('… of a dashboard of one line of text, without agents', ({ paint }) => range(paint.bare.map(paint => paint[when])))
      ]),
      row('nobody looks: ms of the main thread a second', ({ alone }) => whole(alone)),
      ...updates,
      ...days
    ].join('\n'),
    `${describeMachineLine(machine, date)}. Chromium on the same machine. Every agent reports ten metrics every ${reportEvery} s. ` +
    `What viewers cost is above what agents cost, over ${seconds} s each; the rest are medians (least–most) of ${runs} tries.`
  ].join('\n\n')
}

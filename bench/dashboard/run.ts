import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Browser, Locator } from 'playwright-core'
import { openBrowser } from '../../test/helpers/browser.ts'
import { openDashboard, type Dashboard } from '../../test/helpers/dashboard.ts'
import { until } from '../../test/helpers/events.ts'
import type { NodeRed } from '../../test/helpers/node-red.ts'
import { benchFolder } from '../from-root.ts'
import type { Options } from '../options.ts'
import { median } from '../percentiles.ts'
import { cpuSeconds, threadSeconds } from '../proc.ts'
import { bareText, histories, openBareDashboard, openSite } from './site.ts'
import { openWire, type Wire } from './wire.ts'

/** While so many people look at a page: CPU of Node-RED's main thread in a second, above that while nobody looks, and answers that they got in a second. */
export interface Update { viewers: number, cost: number, answers: number }

/** Of so many agents, in ms. */
export interface DashboardFigures {
  agents: number
  /** From the address on, in a browser that has nothing of it yet, and of a dashboard without agents in turns with it, which is what the dashboard itself takes: each try. */
  paint: Record<'live' | 'bare', Paint[]>
  /** Live updates. */
  update: Record<'overview' | 'agent', Update[]>
  /** The same while nobody looks: what the agents cost. */
  alone: number
  /** From the click on "24 h" until Node-RED has sent all points of ten charts, the CPU of all its threads in that, and until the first chart is drawn: each try. */
  day: Array<{ agent: string, every: number } & Record<keyof Click, number[]>>
}

/** The browser's first contentful paint, and when what is looked for was there: the table with agents in it, or the one line of the bare dashboard. */
export interface Paint { first: number, whole: number }

interface Click { sent: number, cpu: number, drawn: number }

/** Seconds until what was opened has come to rest. */
const settle = 2

export async function runDashboard ({ crowds, viewers, seconds, runs, profile }: Options): Promise<DashboardFigures[]> {
  const browser = await openBrowser()
  const figures: DashboardFigures[] = []
  try {
    for (const agents of crowds) figures.push(await measureCrowd(browser, agents, viewers, { seconds, runs, profile }))
  } finally {
    await browser.close()
  }
  return figures
}

async function measureCrowd (browser: Browser, agents: number, viewers: number[], { seconds, runs, profile }: Pick<Options, 'seconds' | 'runs' | 'profile'>): Promise<DashboardFigures> {
  const say = (text: string): void => { process.stderr.write(`${agents} agents: ${text}\n`) }
  const site = await openSite(agents, profile ? join(benchFolder, 'results') : undefined)
  const wire = await openWire(site.nodeRed.port)
  try {
    /** ms of CPU a second. */
    const mainThread = async (): Promise<number> => {
      await pause(settle * 1000)
      const before = threadSeconds(site.nodeRed.pid)
      await pause(seconds * 1000)
      return (threadSeconds(site.nodeRed.pid) - before) * 1000 / seconds
    }
    const paint: DashboardFigures['paint'] = { live: [], bare: [] }
    const bare = await openBareDashboard()
    try {
      for (let run = 0; run < runs; run++) {
        paint.bare.push(await paintOf(browser, bare, ({ page }) => page.getByText(bareText)))
        paint.live.push(await paintOf(browser, site.nodeRed, dashboard => dashboard.row('Agent 7')))
      }
    } finally {
      await bare.stop()
    }
    for (const [which, paints] of Object.entries(paint)) say(`${which}: first paint ${median(paints.map(({ first }) => first)).toFixed()} ms, whole ${median(paints.map(({ whole }) => whole)).toFixed()} ms`)

    const used: DashboardFigures['update'] = { overview: [], agent: [] }
    const quiet = [await mainThread()]
    for (const [page, path] of [['overview', ''], ['agent', '/agent?agent=agent-7']] as const) {
      const open: Dashboard[] = []
      for (const many of viewers.toSorted((a, b) => a - b)) {
        while (open.length < many) open.push(await openDashboard(browser, wire, path))
        await pause(settle * 1000)
        const before = wire.answers
        const started = performance.now()
        const cost = await mainThread()
        used[page].push({ viewers: many, cost, answers: (wire.answers - before) / (performance.now() - started) * 1000 })
      }
      await Promise.all(open.map(dashboard => dashboard.close()))
      quiet.push(await mainThread())
    }
    const alone = median(quiet)
    const above = (page: keyof typeof used): Update[] => used[page].map(of => ({ ...of, cost: of.cost - alone }))
    const update = { overview: above('overview'), agent: above('agent') }
    say(`ms/s: nobody looks ${alone.toFixed()}, ${Object.entries(update).map(([page, costs]) => `${page} ${costs.map(({ cost, answers }) => `${cost.toFixed()} (${answers.toFixed(1)}/s)`).join(' ')}`).join(', ')}`)

    const day: DashboardFigures['day'] = []
    for (const [agent, every] of Object.entries(histories)) {
      const dashboard = await openDashboard(browser, wire, `/agent?agent=${agent}`)
      const clicks: Click[] = []
      for (let run = 0; run < runs; run++) clicks.push(await clickDay(dashboard, wire, site.nodeRed.pid))
      const each = (what: keyof Click): number[] => clicks.map(click => click[what])
      const of = { agent, every, sent: each('sent'), cpu: each('cpu'), drawn: each('drawn') }
      say(`24 h of ${agent}: sent after ${median(of.sent).toFixed()} ms, ${median(of.cpu).toFixed()} of them CPU; drawn after ${median(of.drawn).toFixed()} ms`)
      day.push(of)
      await dashboard.close()
    }
    return { agents, paint, update, alone, day }
  } finally {
    wire.close()
    await site.stop()
  }
}

async function paintOf (browser: Browser, nodeRed: NodeRed, what: (dashboard: Dashboard) => Locator): Promise<Paint> {
  const opened = performance.now()
  const dashboard = await openDashboard(browser, nodeRed, '')
  await what(dashboard).first().waitFor()
  const whole = performance.now() - opened
  const first = await dashboard.page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN)
  await dashboard.close()
  return { first, whole }
}

/** Of a chart of 24 hours in buckets of five minutes: more than any shorter range has. */
const pointsOfDay = 285

async function clickDay ({ page, chart }: Dashboard, wire: Wire, pid: number): Promise<Click> {
  const shown = async (test: (points: number) => boolean): Promise<unknown> => await until(() => chart('CPU load, %'), points => points !== undefined && test(points.length))
  await page.getByRole('button', { name: '15 min', exact: true }).click()
  await shown(points => points > 0 && points < pointsOfDay)
  await pause(settle * 1000)
  await page.evaluate(() => { addEventListener('click', () => { document.body.dataset['clicked'] = String(Date.now()) }, { capture: true, once: true }) })
  // Behind all points comes what the viewer has now.
  const passed = wire.passed('\\n24h\\n').then(at => ({ at, cpu: (cpuSeconds(pid) - before) * 1000 }))
  const before = cpuSeconds(pid)
  await page.getByRole('button', { name: '24 h', exact: true }).click()
  const [sent] = await Promise.all([passed, shown(points => points >= pointsOfDay)])
  const drawn = Date.now()
  const clicked = Number(await page.evaluate(() => document.body.dataset['clicked']))
  return { sent: sent.at - clicked, cpu: sent.cpu, drawn: drawn - clicked }
}

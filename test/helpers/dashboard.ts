import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core'
import { until } from './events.ts'
import type { NodeRed } from './node-red.ts'

export type DashboardOptions = Pick<BrowserContextOptions, 'locale' | 'colorScheme' | 'viewport'>

export interface Point { x: number, y: number | null }

export interface Dashboard {
  readonly page: Page
  /** Errors that the page threw since it was opened. */
  readonly errors: string[]
  /** A row of a table, by a text of it. */
  row (text: string): Locator
  /** What a chart shows that can be seen, by its title; undefined where there is none. */
  chart (title: string): Promise<Point[] | undefined>
  /** Resolves once a chart passes `test`. */
  charted (title: string, test: (points: Point[]) => boolean): Promise<Point[]>
  /** Where the y axis of a chart begins and ends. */
  axis (title: string): Promise<[number, number] | undefined>
  close (): Promise<void>
}

interface EChart {
  getOption (): { title: Array<{ text: string }>, series: Array<{ data?: Array<[number, number | null]> }> }
  getModel (): { getComponent (name: string): { axis?: { scale: { getExtent (): [number, number] } } } }
}

/** Opens a page of the dashboard as a viewer of their own, in a context without anybody else's cache. */
export async function openDashboard (browser: Browser, nodeRed: Pick<NodeRed, 'url'>, path: string, options: DashboardOptions = {}): Promise<Dashboard> {
  const context = await browser.newContext({ locale: 'en-US', viewport: { width: 1280, height: 900 }, ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(60_000)
  // For end-to-end tests the dashboard makes its charts known, as `uiCharts`.
  await page.addInitScript(() => { Object.assign(globalThis, { Cypress: true }) })
  const errors: string[] = []
  page.on('pageerror', ({ message }) => { errors.push(message) })
  page.on('console', message => { if (message.type() === 'error') errors.push(message.text()) })
  await page.goto(new URL(`dashboard${path}`, nodeRed.url).href)

  const look = async (title: string): Promise<{ points: Point[], axis: [number, number] | undefined } | undefined> => await page.evaluate(title => {
    const { uiCharts = {} } = globalThis as unknown as { uiCharts?: Record<string, { chart: EChart, $el: Element }> }
    for (const { chart, $el } of Object.values(uiCharts)) {
      if (!$el.isConnected || $el.closest('.d-none') !== null) continue
      const { title: [shown], series } = chart.getOption()
      // A chart that was just made, or is being made again, has no axis yet.
      if (shown?.text === title) return { points: series.flatMap(({ data = [] }) => data.map(([x, y]) => ({ x, y }))), axis: chart.getModel().getComponent('yAxis').axis?.scale.getExtent() }
    }
    return undefined
  }, title)

  const chart = async (title: string): Promise<Point[] | undefined> => (await look(title))?.points

  return {
    page,
    errors,
    row: text => page.locator('tbody tr', { hasText: text }),
    chart,
    axis: async title => (await look(title))?.axis,
    charted: async (title, test) => await until(() => chart(title), points => points !== undefined && test(points)) as Point[],
    close: () => context.close()
  }
}

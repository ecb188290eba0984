import type { Page } from 'playwright-core'

/** Gives the page a function `contrastOf` (WCAG), of an element's text with the background that it stands on. */
export async function bringContrast (page: Page): Promise<void> {
  await page.evaluate(() => {
    const rgb = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number)
    const luminance = (color: string) => {
      const [r = 0, g = 0, b = 0] = rgb(color).map(part => part / 255).map(part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
      return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const backgroundOf = (element: Element | null): string => {
      if (element === null) return 'rgb(255, 255, 255)'
      const { backgroundColor } = getComputedStyle(element)
      return rgb(backgroundColor)[3] === 0 ? backgroundOf(element.parentElement) : backgroundColor
    }
    (globalThis as unknown as WithContrast).contrastOf = element => {
      const [light = 0, dark = 0] = [luminance(getComputedStyle(element).color), luminance(backgroundOf(element))].sort((a, b) => b - a)
      return (light + 0.05) / (dark + 0.05)
    }
  })
}

export interface WithContrast { contrastOf (element: Element): number }

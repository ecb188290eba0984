import { numbersFromTexts } from '../messages/numeric-text.ts'
import type { Metric } from '../messages/schema.ts'

/** What sensors without a reading say. */
const noValue = /^(?:[-+]?nan|[-+]?inf(?:inity)?|null|unavailable|unknown|)$/i

/** What a text of a device means: a number, true, false, or itself; undefined: that there is no value. A number with a unit is a text. */
export function textValue (text: string): Metric['value'] | undefined {
  // As Python and ESPHome write it; `none` is what a sensor of gas says.
  if (noValue.test(text) || text === 'None') return undefined
  if (text === 'true' || text === 'false') return text === 'true'
  return numbersFromTexts([{ type: '', value: text }])[0]?.value
}

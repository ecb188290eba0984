import { shared, type EditorNode, type Validator } from './red.ts'

/** Whole numbers, as text or not. `${ENV}` needs no case: Node-RED takes it before it asks a validator. */
export function wholeNumber (label: () => string, min: number, max = Number.MAX_SAFE_INTEGER): Validator<EditorNode> {
  return (value, _options) => {
    const number = String(value ?? '').trim() === '' ? Number.NaN : Number(value)
    if (Number.isInteger(number) && number >= min && number <= max) return true
    return max === Number.MAX_SAFE_INTEGER
      ? shared('shared.validation.atLeast', { label: label(), min })
      : shared('shared.validation.between', { label: label(), min, max })
  }
}

/** A topic filter: `#` alone and last, `+` alone in its level [MQTT-4.7.1-2] [MQTT-4.7.1-3]. */
export function isTopicFilter (topic: string): boolean {
  const levels = topic.split('/')
  return topic !== '' && levels.every((level, i) => level === '+' || (level === '#' && i === levels.length - 1) || !/[+#\0]/.test(level))
}

import type { TopicRule } from '../topic-rule.ts'

/** Rows of "Other topics" for devices of one kind, with the topics that they have from the start. */
export interface Preset {
  /** Public: the form and the docs name it. */
  id: string
  /** What the devices call themselves; the same in every language. */
  label: string
  rules: TopicRule[]
}

import type { PlatziverseError } from '../errors.ts'
import type { DigestOptions } from './digest.ts'
import type { AlertRule } from './rules/alert-rule.ts'
import type { Maintenance } from './rules/maintenance.ts'
import type { Notice } from './telling.ts'

// What alerts are given, and what they say of themselves.

export type AlertsState = 'starting' | 'watching' | 'elsewhere'

export interface AlertsOptions {
  /** The node's id; the same after a restart, and for all processes that run the same flows. At most 64 characters. */
  node: string
  rules: readonly AlertRule[]
  maintenance: readonly Maintenance[]
  digest: DigestOptions
  /** Called with what is committed: a change, or several for one message. */
  announce (notices: Notice[]): void
  /** Called when the state changed. */
  state (state: AlertsState): void
  /** Called with what went wrong; it is tried again. */
  failed (error: PlatziverseError): void
}

/**
 * How many alerts are watched; how many of them are raised, and how many compare numbers and have a text as their newest value, which neither raises
 * nor ends them; and how many are not watched because there are too many.
 */
export interface AlertCount { watched: number, raised: number, ofTexts: number, leftOut: number }

/** A rule that is raised, as the database has it. */
export interface Raised { rule: AlertRule, uuid: string, name: string | null, type: string, value: number | string | null, since: number, acknowledged: boolean }

/** Which alerts: absent: of any. */
export interface AlertChoice { uuid?: string, type?: string, rule?: string }

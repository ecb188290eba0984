import type { IntakeOptions } from '../../lib/intake/intake-options.ts'
import { RuleTable } from '../../lib/mapping/rules/rule-table.ts'
import { day } from '../../lib/time.ts'
import { milliseconds, wholeNumber } from '../shared/red.ts'
import { agentInDefaults as defaults, type AgentInConfig } from './config.ts'

type NumberField = 'clientWindow' | 'totalWindow' | 'clientMemory' | 'totalMemory' | 'pastDays' | 'futureDays'

/** What a node saved, as the intake wants it. */
export function intakeOptionsOf (config: AgentInConfig): IntakeOptions {
  const number = (field: NumberField): number => wholeNumber(config[field], Number(defaults[field]))
  const atLeastOne = (field: NumberField): number => Math.max(1, number(field))
  return {
    acknowledge: config.acknowledge === 'arrival' ? 'arrival' : 'stored',
    timeLimit: Math.max(1000, milliseconds(config.timeLimit, defaults.timeLimit)),
    clientWindow: atLeastOne('clientWindow'),
    totalWindow: atLeastOne('totalWindow'),
    clientBytes: atLeastOne('clientMemory') * 1_000_000,
    totalBytes: atLeastOne('totalMemory') * 1_000_000,
    rules: {
      past: number('pastDays') * day,
      future: number('futureDays') * day,
      outside: config.outside === 'receipt' ? 'receipt' : 'reject',
      numericText: config.numericText === true
    },
    otherTopics: config.otherTopics.length === 0 ? undefined : new RuleTable(config.otherTopics)
  }
}

import { limitDefaults, limitMaxima, type LimitName } from '../../../lib/broker/limits.ts'
import { input, mark, valueOf } from '../../shared/editor/fields.ts'
import { equal, markTab, numberOrText, type Part } from '../../shared/editor/form.ts'
import { numberProblem } from '../../shared/editor/validate.ts'
import type { BrokerConfig } from '../config.ts'
import { upgrade } from '../migrations.ts'
import { text, type BrokerNode } from './form.ts'
import { inLargeUnits } from './large-units.ts'

type Unit = 'clients' | 'aSecond' | 'bytesASecond' | 'seconds' | 'bytes' | 'levels' | 'topics' | 'filters' | 'unacknowledged' | 'messages' | 'agents'

/** What a limit counts; the order is the form's. */
const units: Record<LimitName, Unit> = {
  'connections': 'clients',
  'connectionsPerAddress': 'clients',
  'connectionRate': 'aSecond',
  'connectTimeout': 'seconds',
  'packetTimeout': 'seconds',
  'connectBytes': 'bytes',
  'packetBytes': 'bytes',
  'propertyBytes': 'bytes',
  'unreadBytes': 'bytes',
  'topicLevels': 'levels',
  'topicAliases': 'topics',
  'keepalive': 'seconds',
  'subscriptionsPerClient': 'filters',
  'stateBytes': 'bytes',
  'receiveMaximum': 'unacknowledged',
  'messageRate': 'aSecond',
  'packetRate': 'aSecond',
  'byteRate': 'bytesASecond',
  'incomingBytes': 'bytes',
  'agentsPerUser': 'agents',
  'retainedMessages': 'messages',
  'retainedBytes': 'bytes',
  'sessions': 'clients',
  'offlineMessages': 'messages',
  'offlineBytes': 'bytes',
  'offlineTotalBytes': 'bytes',
  'sessionExpiry': 'seconds'
}
const names = Object.keys(units) as LimitName[]

/** The unit, and beside it a large value in one that people read, such as 2 MiB or 7 days. */
function unitText (unit: Unit, value: string | number): string {
  const name = text(`platziverse-broker.unit.${unit}`)
  const also = inLargeUnits(unit, Number(value), text('platziverse-broker.unit.language'))
  return also === undefined ? name : text('platziverse-broker.unit.also', { unit: name, value: also })
}

/** What is wrong with a limit; empty: the default. */
function limitProblem (name: LimitName, value: unknown): string | undefined {
  if (value === undefined || value === '') return undefined
  return numberProblem(value, text(`platziverse-broker.limit.${name}`), 0, limitMaxima[name])
}

export function limitProblems (limits: BrokerConfig['limits']): string[] {
  return names.flatMap(name => limitProblem(name, limits[name]) ?? [])
}

export function prepareLimits (node: BrokerNode): Part {
  const { limits: saved } = upgrade(node)
  const fields = names.map(name => {
    const id = `platziverse-broker-limit-${name}`
    const label = text(`platziverse-broker.limit.${name}`)
    const field = input(saved[name], label).attr({ id, placeholder: limitDefaults[name] })
    const unit = units[name]
    const shown = $('<span>')
    field.on('input change', () => { shown.text(unitText(unit, valueOf(field) || limitDefaults[name])) }).trigger('change')
    $('<div class="form-row">').append($('<label>').attr('for', id).text(label), field, ' ', shown).appendTo('#platziverse-broker-limits')
    return { name, field }
  })
  const check = () => {
    const problems = fields.map(({ name, field }) => {
      const problem = limitProblem(name, valueOf(field))
      mark(field, problem)
      return problem
    })
    markTab('platziverse-broker-limits-tab', problems.some(problem => problem !== undefined))
  }
  for (const { field } of fields) field.on('input change', check)
  check()
  return {
    save () {
      const limits: BrokerConfig['limits'] = {}
      for (const { name, field } of fields) {
        const value = numberOrText(valueOf(field))
        if (value !== '' && value !== limitDefaults[name]) limits[name] = value
      }
      if (!equal(limits, saved)) node.limits = limits
    }
  }
}

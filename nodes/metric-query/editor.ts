import { calendarUnits } from '../../lib/query/series/names.ts'
import { toDuration, toTime } from '../../lib/query/times.ts'
import { complete } from '../shared/editor/complete.ts'
import { chooseDatabase, replaceMissingDatabases } from '../shared/editor/database-select.ts'
import { equal, showMissing } from '../shared/editor/form.ts'
import { registerNode, textsOf, type Validator } from '../shared/editor/red.ts'
import { wholeNumber } from '../shared/editor/validate.ts'
import { fieldsOf, metricQueryDefaults as defaults, type MetricQueryConfig } from './config.ts'
import { namesOf, timeZones } from './editor/completions.ts'
import { upgrade } from './migrations.ts'
import { namesIn, textOf } from './names.ts'

const text = textsOf('metric-query')

/** Empty text is fine: the message may say what to ask. */
function saying (isRight: (said: string) => boolean, problem: () => string): Validator {
  return (value, _options) => {
    const said = String(value ?? '').trim()
    return said === '' || isRight(said) || problem()
  }
}

const isTime = (said: string): boolean => toTime(said, Date.now()) !== undefined
const timeProblem = (field: 'from' | 'to') => (): string => {
  return text('metric-query.validation.time', { label: text(`metric-query.form.${field}`) })
}
const isSpan = (said: string): boolean => toDuration(said) !== undefined
const isWidth = (said: string): boolean => isSpan(said) || calendarUnits.some(unit => unit === said)

const isPoints = (said: string): boolean => /^\d{1,5}$/.test(said) && Number(said) >= 2 && Number(said) <= 10_000
const isFollow = (said: string): boolean => (toDuration(said) ?? 0) >= 100
const isTimeZone = (said: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: said })
    return true
  } catch {
    return false
  }
}
/** Fields that take several names. */
const listed = ['uuid', 'metricType'] as const

registerNode<MetricQueryConfig>('metric-query', { defaults, upgrade }, {
  category: 'platziverse',
  color: '#62b893',
  icon: 'metric-query.svg',
  inputs: 1,
  outputs: 1,
  properties: {
    database: { type: 'platziverse-database', required: true, label: text('metric-query.form.database') },
    from: { validate: saying(isTime, timeProblem('from')) },
    to: { validate: saying(isTime, timeProblem('to')) },
    limit: { validate: saying(said => /^0*[1-9]\d*$/.test(said), () => text('metric-query.validation.limit')) },
    bucket: { validate: saying(isWidth, () => text('metric-query.validation.bucket')) },
    points: { validate: saying(isPoints, () => text('metric-query.validation.points')) },
    timezone: { validate: saying(isTimeZone, () => text('metric-query.validation.timezone')) },
    follow: { validate: saying(isFollow, () => text('metric-query.validation.follow')) },
    aggregates: {
      validate: (value, _options) => (Array.isArray(value) && value.length > 0) || text('metric-query.validation.aggregates')
    },
    most: { validate: wholeNumber(() => text('metric-query.form.most'), 1) }
  },
  paletteLabel: () => text('metric-query.label.palette'),
  label () { return this.name || text('metric-query.label.canvas') },
  labelStyle () { return this.name ? 'node_label_italic' : '' },
  inputLabels: () => text('metric-query.input.question'),
  outputLabels: () => text('metric-query.output.answer'),
  onadd () { chooseDatabase(this) },
  oneditprepare () {
    const node = upgrade(this)
    showMissing(this, node)
    $('#metric-query-aggregates input').each((_, box) => { $(box).prop('checked', node.aggregates.some(name => name === $(box).val())) })
    for (const name of listed) {
      $(`#metric-query-${name}`).val(textOf(node[name]))
      complete($(`#metric-query-${name}`), namesOf(name))
    }
    complete($('#node-input-timezone'), timeZones)
    $('#node-input-query').on('change', showFields)
    $('#node-input-follow').on('input change', function () { $('#metric-query-follow').toggle(String($(this).val()).trim() !== '') }).trigger('change')
    $('#node-input-result').on('change', function () { $('#metric-query-chart').toggle($(this).val() === 'chart') })
  },
  oneditsave () {
    for (const name of listed) {
      const names = namesIn(String($(`#metric-query-${name}`).val() ?? ''))
      if (!equal(names, this[name])) this[name] = names
    }
    this.aggregates = $('#metric-query-aggregates input:checked').get().map(box => $(box).val()) as MetricQueryConfig['aggregates']
  }
})

/** Only the fields that the chosen query uses. */
function showFields (this: HTMLElement): void {
  const used = fieldsOf[$(this).val() as MetricQueryConfig['query']] ?? []
  const limited = { series: 'metrics', latestOfAll: 'values' }[String($(this).val())] ?? 'listed'
  $('#metric-query-limited').text(text(`metric-query.form.${limited}`))
  $('.metric-query-field').each((_, row) => { $(row).toggle(used.some(field => field === $(row).data('field'))) })
}

replaceMissingDatabases('metric-query')

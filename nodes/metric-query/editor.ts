import { toDuration, toTime } from '../../lib/query/times.ts'
import { chooseDatabase } from '../shared/editor/database-select.ts'
import { registerNode, textsOf, type Validator } from '../shared/editor/red.ts'
import { wholeNumber } from '../shared/editor/validate.ts'
import { fieldsOf, metricQueryDefaults as defaults, type MetricQueryConfig } from './config.ts'
import { upgrade } from './migrations.ts'

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
    bucket: { validate: saying(isSpan, () => text('metric-query.validation.bucket')) },
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
    $('#metric-query-aggregates input').each((_, box) => { $(box).prop('checked', this.aggregates.some(name => name === $(box).val())) })
    $('#node-input-query').on('change', showFields)
    $('#node-input-result').on('change', function () { $('#metric-query-chart').toggle($(this).val() === 'chart') })
  },
  oneditsave () {
    this.aggregates = $('#metric-query-aggregates input:checked').get().map(box => $(box).val()) as MetricQueryConfig['aggregates']
  }
})

/** Only the fields that the chosen query uses. */
function showFields (this: HTMLElement): void {
  const used = fieldsOf[$(this).val() as MetricQueryConfig['query']] ?? []
  $('.metric-query-field').each((_, row) => { $(row).toggle(used.some(field => field === $(row).data('field'))) })
}

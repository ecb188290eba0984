import { chooseDatabase, replaceMissingDatabases } from '../shared/editor/database-select.ts'
import { showMissing } from '../shared/editor/form.ts'
import { registerNode, textsOf } from '../shared/editor/red.ts'
import { wholeNumber } from '../shared/editor/validate.ts'
import { metricStoreDefaults as defaults, type MetricStoreConfig } from './config.ts'
import { upgrade } from './migrations.ts'

const text = textsOf('metric-store')

registerNode<MetricStoreConfig>('metric-store', { defaults, upgrade }, {
  category: 'platziverse',
  color: '#62b893',
  icon: 'metric-store.svg',
  inputs: 1,
  outputs: 1,
  properties: {
    database: { type: 'platziverse-database', required: true, label: text('metric-store.form.database') },
    grace: { validate: wholeNumber(() => text('metric-store.form.grace'), 0) },
    silence: { validate: wholeNumber(() => text('metric-store.form.silence'), 0, 31_536_000) },
    intervals: { validate: wholeNumber(() => text('metric-store.form.intervals'), 0, 1_000) }
  },
  paletteLabel: () => text('metric-store.label.palette'),
  label () { return this.name || text('metric-store.label.canvas') },
  labelStyle () { return this.name ? 'node_label_italic' : '' },
  inputLabels: () => text('metric-store.input.message'),
  outputLabels: () => text('metric-store.output.stored'),
  onadd () { chooseDatabase(this) },
  oneditprepare () { showMissing(this, upgrade(this)) }
})

replaceMissingDatabases('metric-store')

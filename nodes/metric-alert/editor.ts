import type { SavedMaintenance } from '../../lib/alerts/rules/saved-maintenance.ts'
import type { SavedRule } from '../../lib/alerts/rules/saved-rule.ts'
import { chooseDatabase, replaceMissingDatabases } from '../shared/editor/database-select.ts'
import { showMissing, type Part } from '../shared/editor/form.ts'
import { registerNode, textsOf } from '../shared/editor/red.ts'
import { wholeNumber } from '../shared/editor/validate.ts'
import { metricAlertDefaults as defaults, type MetricAlertConfig } from './config.ts'
import { maintenanceProblems, prepareMaintenance } from './editor/maintenance.ts'
import { prepareRules, ruleProblems } from './editor/rules.ts'
import { upgrade } from './migrations.ts'

const text = textsOf('metric-alert')
const outputs = [() => text('metric-alert.output.raised'), () => text('metric-alert.output.cleared'), () => text('metric-alert.output.answers'), () => text('metric-alert.output.states')]

/** Of the form that was opened last. */
let parts: Part[] = []

registerNode<MetricAlertConfig>('metric-alert', { defaults, upgrade }, {
  category: 'platziverse',
  color: '#62b893',
  icon: 'metric-alert.svg',
  inputs: 1,
  outputs: 4,
  properties: {
    database: { type: 'platziverse-database', required: true, label: text('metric-alert.form.database') },
    rules: { validate: (value, _options) => ruleProblems(value as SavedRule[])[0]?.text ?? true },
    maintenance: { validate: (value, _options) => maintenanceProblems(value as SavedMaintenance[])[0]?.text ?? true },
    digest: { validate: wholeNumber(() => text('metric-alert.form.digest'), 0) },
    digestWithin: { validate: wholeNumber(() => text('metric-alert.form.digest'), 1, 86_400) }
  },
  paletteLabel: () => text('metric-alert.label.palette'),
  label () { return this.name || text('metric-alert.label.canvas') },
  labelStyle () { return this.name ? 'node_label_italic' : '' },
  inputLabels: () => text('metric-alert.input.commands'),
  outputLabels: output => outputs[output]?.() ?? '',
  onadd () { chooseDatabase(this) },
  oneditprepare () {
    showMissing(this, upgrade(this))
    parts = [prepareRules(this), prepareMaintenance(this)]
  },
  oneditsave () { for (const part of parts) part.save() }
})

replaceMissingDatabases('metric-alert')

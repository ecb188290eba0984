import { isFilled } from '../shared/editor/fields.ts'
import { markTab, prepareTabs, type Part } from '../shared/editor/form.ts'
import { registerNode, type Validator } from '../shared/editor/red.ts'
import { numberProblem } from '../shared/editor/validate.ts'
import { databaseDefaults as defaults, mostGather, mostPrometheus, usualPorts, type DatabaseConfig, type SavedOverride } from './config.ts'
import { connectionProblem, prepareConnection } from './editor/connection.ts'
import { fieldOf, text, valueIn, type DatabaseNode } from './editor/form.ts'
import { daysProblem, overrideProblems, prepareKeeping } from './editor/keeping.ts'
import { prepareTest } from './editor/test.ts'
import { upgrade } from './migrations.ts'

const tabNames = ['connection', 'keeping', 'writing', 'outages', 'prometheus'] as const

/** Of the form that was opened last. */
let keeping: Part | undefined

registerNode<DatabaseConfig, 'user' | 'password' | 'url'>('platziverse-database', { defaults, upgrade }, {
  category: 'config',
  color: '#62b893',
  icon: 'platziverse-database.svg',
  properties: {
    filename: { validate: ofConnection('filename') },
    connection: { validate: ofConnection('connection') },
    host: { validate: ofConnection('host') },
    port: { validate: ofConnection('port') },
    database: { validate: ofConnection('database') },
    tls: { type: 'tls-config', required: false },
    poolSize: { validate: ofConnection('poolSize') },
    gather: { validate: (value, _options) => numberIn('gather', value) ?? true },
    spool: { validate: (value, _options) => numberIn('spool', value) ?? true },
    prometheus: { validate: (value, _options) => numberIn('prometheus', value) ?? true },
    rawDays: { validate: ofDays('rawDays') },
    hourDays: { validate: ofDays('hourDays') },
    dayDays: { validate: ofDays('dayDays') },
    overrides: { validate: (value, _options) => overrideProblems(value as SavedOverride[])[0]?.text ?? true }
  },
  credentials: { user: { type: 'text' }, password: { type: 'password' }, url: { type: 'password' } },
  paletteLabel: () => text('platziverse-database.label.palette'),
  label () { return this.name || labelOf(this) || text('platziverse-database.label.palette') },
  labelStyle () { return this.name ? 'node_label_italic' : '' },
  oneditprepare () { prepare(this) },
  oneditsave () {
    keeping?.save()
    const isServer = fieldOf('client').val() !== 'sqlite'
    this.hasLogin = isServer && (fieldOf('connection').val() === 'url' ? isFilled('url') : isFilled('user', 'password'))
  }
})

/** Without a name: which database, and where. No secret: the editor knows nothing of a URL. */
function labelOf ({ client, filename, connection, host, database }: DatabaseConfig): string {
  if (client in usualPorts) {
    const kind = text(`platziverse-database.form.${client}`)
    return connection === 'url' ? text('platziverse-database.label.url', { kind }) : text('platziverse-database.label.server', { kind, database, host })
  }
  if (!filename) return ''
  return text('platziverse-database.label.file', { file: filename })
}

function ofConnection (field: Parameters<typeof connectionProblem>[1]): Validator<DatabaseNode> {
  return function (value, _options) { return connectionProblem(this, field, value) ?? true }
}

function ofDays (span: Parameters<typeof daysProblem>[1]): Validator<DatabaseNode> {
  return function (value, _options) {
    const days = { rawDays: valueIn(this, 'rawDays'), hourDays: valueIn(this, 'hourDays'), dayDays: valueIn(this, 'dayDays') }
    return daysProblem({ ...days, [span]: value }, span) ?? true
  }
}

/** The numbers that are alone on their tabs, each with the most that it may be. */
const lonely = { gather: { tab: 'writing', most: mostGather }, spool: { tab: 'outages', most: undefined }, prometheus: { tab: 'prometheus', most: mostPrometheus } } as const

/** What is wrong with one of them. Empty: 0. */
function numberIn (name: keyof typeof lonely, value: unknown): string | undefined {
  return value === '' ? undefined : numberProblem(value, text(`platziverse-database.form.${name}`), 0, lonely[name].most)
}

function prepare (node: DatabaseNode): void {
  fieldOf('client').data('node', node.id)
  prepareTabs('platziverse-database', tabNames, name => text(`platziverse-database.tab.${name}`))
  prepareConnection(node)
  keeping = prepareKeeping(node)
  for (const name of ['gather', 'spool'] as const) {
    fieldOf(name).on('input change', function () {
      markTab(`platziverse-database-${lonely[name].tab}-tab`, numberIn(name, $(this).val()) !== undefined)
    }).trigger('change')
  }
  prepareTest(node)
}

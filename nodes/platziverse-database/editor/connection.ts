import { valueOf } from '../../shared/editor/fields.ts'
import { markTab, showMissing } from '../../shared/editor/form.ts'
import { isVariable, numberProblem } from '../../shared/editor/validate.ts'
import { driverPackages, keptSecret, usualPorts, type DatabaseConfig } from '../config.ts'
import { upgrade } from '../migrations.ts'
import { fieldOf, isOpen, text, valueIn, type DatabaseNode, type FieldName } from './form.ts'

const connectionFields = ['filename', 'connection', 'host', 'port', 'database', 'poolSize'] as const satisfies FieldName[]
type ConnectionField = typeof connectionFields[number]

/** Most connections of readers: servers allow a hundred or so in all. */
const mostConnections = 100

const schemes = { postgresql: /^postgres(ql)?:\/\/./i, mysql: /^(mysql|mariadb):\/\/./i } as const
const examples = { postgresql: 'postgres://user:password@host:5432/database', mysql: 'mysql://user:password@host:3306/database' } as const

/** What is wrong with a property of the connection; nothing where the chosen kind of database does not use it. */
export function connectionProblem (node: DatabaseNode, field: ConnectionField, value: unknown): string | undefined {
  const given = String(value).trim()
  const client = valueIn(node, 'client')
  const missing = (): string | undefined => {
    return given === '' ? text('platziverse-database.validation.missing', { label: text(`platziverse-database.form.${field}`) }) : undefined
  }
  if (client === 'sqlite') return field === 'filename' ? missing() : undefined
  const byUrl = valueIn(node, 'connection') === 'url'
  switch (field) {
    case 'filename': return undefined
    case 'connection': return byUrl && isOpen(node) ? urlProblem(client as keyof typeof schemes, valueOf(fieldOf('url'))) : undefined
    case 'poolSize': return numberProblem(given, text('platziverse-database.form.poolSize'), 1, mostConnections)
    case 'port': return byUrl || given === '' ? undefined : numberProblem(given, text('platziverse-database.form.port'), 1, 65_535)
    case 'host': return byUrl ? undefined : missing() ?? hostProblem(given)
    default: return byUrl ? undefined : missing()
  }
}

function hostProblem (host: string): string | undefined {
  if (!/:\/\/|@/.test(host)) return undefined
  return text('platziverse-database.validation.host', { label: text('platziverse-database.form.host'), url: text('platziverse-database.form.byUrl') })
}

function urlProblem (client: keyof typeof schemes, url: string): string | undefined {
  if (url === keptSecret || isVariable(url) || schemes[client].test(url)) return undefined
  return text('platziverse-database.validation.url', { example: examples[client] })
}

/** Shows the fields that the chosen kind of database has, and only those. */
export function prepareConnection (node: DatabaseNode): void {
  showMissing(node, upgrade(node))
  const show = () => {
    const client = fieldOf('client').val() as DatabaseConfig['client']
    const byUrl = fieldOf('connection').val() === 'url'
    $('#platziverse-database-file').toggle(client === 'sqlite')
    $('#platziverse-database-server').toggle(client !== 'sqlite')
    $('#platziverse-database-fields').toggle(!byUrl)
    $('#platziverse-database-url').toggle(byUrl)
    $('#platziverse-database-tls').toggle(fieldOf('secure').prop('checked') === true)
    if (client === 'sqlite') return
    fieldOf('port').attr('placeholder', usualPorts[client])
    fieldOf('url').attr('placeholder', examples[client])
    $('#platziverse-database-driver').text(text('platziverse-database.form.driver', { package: driverPackages[client] }))
  }
  const check = () => {
    const wrong = connectionFields.some(name => connectionProblem(node, name, fieldOf(name).val()) !== undefined)
    const problem = connectionProblem(node, 'connection', fieldOf('connection').val())
    fieldOf('url').toggleClass('input-error', problem !== undefined).attr('title', problem ?? '')
    markTab('platziverse-database-connection-tab', wrong)
  }
  fieldOf('client').add(fieldOf('connection')).add(fieldOf('secure')).on('change', show)
  // After Node-RED's own check, which knows nothing of the URL.
  $('#platziverse-database-connection-tab').on('input change keyup paste', check)
  show()
  check()
}

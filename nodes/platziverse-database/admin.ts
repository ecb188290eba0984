import { PlatziverseError, reasonOf } from '../../lib/errors.ts'
import { tryDatabase, type Trial } from '../../lib/store/try-database.ts'
import { jsonOnly } from '../shared/json-only.ts'
import type { RED } from '../shared/red.ts'
import { tlsOptionsOf } from '../shared/tls.ts'
import { keptSecret, type DatabaseConfig, type DatabaseCredentials } from './config.ts'
import { databaseOptionsOf } from './options.ts'

const registered = new WeakSet<object>()

interface Body {
  id: string
  config: Partial<DatabaseConfig>
  credentials: Record<string, unknown>
}

/**
 * `POST platziverse/database/test` of the admin API: whether a database can be used with what the form says.
 * In: `{id, config, credentials}`, where a secret that is `__PWRD__` is the one that was deployed.
 * Out: `{ok: true, server, tables, timescale?}`, or `{ok: false, code, detail, help}`. May be called often: it is registered once.
 */
export function registerAdmin (RED: RED): void {
  const { httpAdmin } = RED
  if (registered.has(httpAdmin)) return
  registered.add(httpAdmin)
  httpAdmin.post('/platziverse/database/test', RED.auth.needsPermission('platziverse-database.write'), jsonOnly, (request, response) => {
    attempt(RED, (request.body ?? {}) as Partial<Body>).then(
      trial => { response.json({ ok: true, ...trial }) },
      (error: unknown) => {
        const { code, detail, help } = error instanceof PlatziverseError ? error : new PlatziverseError('STORE_UNAVAILABLE', `${reasonOf(error)}.`)
        response.json({ ok: false, code, detail, help })
      }
    )
  })
}

async function attempt (RED: RED, { id = '', config, credentials }: Partial<Body>): Promise<Trial> {
  const node = String(id)
  const known = (RED.nodes.getCredentials(node) ?? {}) as DatabaseCredentials
  const secrets = Object.fromEntries((['user', 'password', 'url'] as const).map(name => {
    const given = credentials?.[name]
    return [name, given === undefined || given === keptSecret ? known[name] : String(given)]
  }))
  const asked: Partial<DatabaseConfig> = withVariables(RED, node, { ...config })
  const surroundings = { id: node, userDir: RED.settings.userDir, tls: tlsOptionsOf(RED, asked.tls) }
  return tryDatabase(databaseOptionsOf(asked, withVariables(RED, node, secrets), surroundings).database)
}

/** What Node-RED does to the properties of a node before the node gets them: `${HOST}` becomes the variable's value. */
function withVariables<Properties extends object> (RED: RED, id: string, properties: Properties): Properties {
  const node = RED.nodes.getNode(id)
  return Object.fromEntries(Object.entries(properties).map(([name, value]: [string, unknown]) => {
    const variable = typeof value === 'string' ? /^\$(?:\{(\S+)\}|\((\S+)\))$/.exec(value) : null
    return [name, variable === null ? value : RED.util.evaluateNodeProperty(variable[1] ?? variable[2] ?? '', 'env', node, {}) as unknown]
  })) as Properties
}

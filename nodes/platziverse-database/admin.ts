import { PlatziverseError, reasonOf } from '../../lib/errors.ts'
import { tryDatabase, type Trial } from '../../lib/store/try-database.ts'
import { refusalOf, serveAdmin } from '../shared/admin.ts'
import type { RED } from '../shared/red.ts'
import { tlsSettingsOf } from '../shared/tls.ts'
import { keptSecret, type DatabaseConfig, type DatabaseCredentials } from './config.ts'
import { databaseOptionsOf } from './options.ts'

interface Form {
  id: string
  config: Partial<DatabaseConfig>
  credentials: Record<string, unknown>
}

/**
 * `POST platziverse/database/test` of the admin API (see shared/admin.ts): whether a database can be used with what the form says.
 * In: `{id, config, credentials}`, where a secret that is `__PWRD__` is the one that was deployed.
 * Out: `{ok: true, server, tables, timescale?}`, or, with status 200 as well, why the database cannot be used.
 */
export function registerAdmin (RED: RED): void {
  serveAdmin(RED, 'database', {
    test: {
      permission: 'write',
      answer: async body => await attempt(RED, body as Partial<Form>).catch((error: unknown) => {
        return refusalOf(error instanceof PlatziverseError ? error : new PlatziverseError('STORE_UNAVAILABLE', `${reasonOf(error)}.`))
      })
    }
  })
}

async function attempt (RED: RED, { id = '', config, credentials }: Partial<Form>): Promise<Trial> {
  const node = String(id)
  const known = (RED.nodes.getCredentials(node) ?? {}) as DatabaseCredentials
  const secrets = Object.fromEntries((['user', 'password', 'url'] as const).map(name => {
    const given = credentials?.[name]
    return [name, given === undefined || given === keptSecret ? known[name] : String(given)]
  }))
  const asked: Partial<DatabaseConfig> = withVariables(RED, node, { ...config })
  const surroundings = { id: node, userDir: RED.settings.userDir, tls: tlsSettingsOf(RED, asked.tls) }
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

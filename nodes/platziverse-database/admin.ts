import { PlatziverseError, reasonOf } from '../../lib/errors.ts'
import { canBeName, mostNames } from '../../lib/query/series/choice.ts'
import { completeAgents, completeTypes, type Completion } from '../../lib/query/complete.ts'
import { tryDatabase, type Trial } from '../../lib/store/try-database.ts'
import { refusalOf, serveAdmin } from '../shared/admin.ts'
import type { RED } from '../shared/red.ts'
import { tlsSettingsOf } from '../shared/tls.ts'
import { keptSecret, type DatabaseConfig, type DatabaseCredentials } from './config.ts'
import { databaseOptionsOf } from './options.ts'
import type { DatabaseNode } from './platziverse-database.ts'

/** What somebody typed into the form of a node that refers to a database. */
interface Typed { id: unknown, of: unknown, text: unknown, uuids: unknown }

/** Most characters of it. */
const mostTyped = 255

interface Form {
  id: string
  config: Partial<DatabaseConfig>
  credentials: Record<string, unknown>
}

/**
 * Two endpoints of the admin API (see shared/admin.ts).
 *
 * `POST platziverse/database/names`: what a form may be completed with, from a database that is deployed; at most 50 names.
 * In: `{id, of: 'agents' | 'types', text, uuids}`; `text` is anywhere in the name, and `uuids` are the agents whose types are wanted.
 * Out: `{ok: true, names: [{name, label?}]}`.
 *
 * `POST platziverse/database/test`: whether a database can be used with what the form says.
 * In: `{id, config, credentials}`, where a secret that is `__PWRD__` is the one that was deployed.
 * Out: `{ok: true, server, tables, timescale?}`, or, with status 200 as well, why the database cannot be used.
 */
export function registerAdmin (RED: RED): void {
  serveAdmin(RED, 'database', {
    names: { permission: 'read', answer: body => complete(RED, body as Partial<Typed>) },
    test: {
      permission: 'write',
      answer: async (body, language) => await attempt(RED, body as Partial<Form>).catch((error: unknown) => {
        return refusalOf(error instanceof PlatziverseError ? error : new PlatziverseError('STORE_UNAVAILABLE', `${reasonOf(error)}.`), language)
      })
    }
  })
}

async function complete (RED: RED, { id, of, text = '', uuids = [] }: Partial<Typed>): Promise<{ names: Completion[] }> {
  const database = RED.nodes.getNode(String(id)) as DatabaseNode | null
  if (!database?.store) throw new PlatziverseError('DATABASE_MISSING', 'The database is not deployed.')
  if (typeof text !== 'string' || text.length > mostTyped || text.includes('\0')) {
    throw new PlatziverseError('QUERY_INVALID', `"text" is no text of at most ${mostTyped} characters.`)
  }
  if (!Array.isArray(uuids) || uuids.length > mostNames || !uuids.every(uuid => typeof uuid === 'string' && canBeName(uuid))) {
    throw new PlatziverseError('QUERY_INVALID', `"uuids" is no list of at most ${mostNames} texts.`)
  }
  const { store } = database
  return { names: of === 'types' ? await completeTypes(await store.read('metrics'), text, uuids as string[]) : await completeAgents(await store.read('agents'), text) }
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
    if (variable === null) return [name, value]
    const read: unknown = RED.util.evaluateNodeProperty(variable[1] ?? variable[2] ?? '', 'env', node, {})
    // What has no value stays as it is.
    return [name, read === '' || read === undefined ? value : read]
  })) as Properties
}

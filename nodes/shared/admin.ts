import { PlatziverseError, reasonOf } from '../../lib/errors.ts'
import { isObject } from '../../lib/is-object.ts'
import type { RED } from './red.ts'
import type { Refusal } from './refusal.ts'

export type Body = Record<string, unknown>

export interface Endpoint {
  /** `read`: for users who may see the flows; `write`: for users who may change them. */
  permission: 'read' | 'write'
  /**
   * What the answer says beside `ok: true`; or a refusal, if the request was right and the answer is no.
   * @throws PlatziverseError what is wrong with the body
   */
  answer (body: Body): object | Promise<object>
}

/** What is served already: a module may be loaded more than once. */
const served = new WeakMap<object, Set<string>>()

/** The first words of the permissions that an area's endpoints need. */
const scopes = { broker: 'platziverse-broker', database: 'platziverse-database', sidebar: 'platziverse' } as const

/**
 * Serves `POST platziverse/<what>/<path>` of Node-RED's admin API, JSON in and out: `{ok: true, …}`, or a `Refusal` with status 400 for
 * a body that is wrong, 415 for one that is not JSON, 500 for what must not happen. May be called often: each is registered once.
 * @param endpoints by path
 */
export function serveAdmin (RED: RED, what: keyof typeof scopes, endpoints: Record<string, Endpoint>): void {
  const known = served.get(RED.httpAdmin) ?? new Set()
  served.set(RED.httpAdmin, known)
  if (known.has(what)) return
  known.add(what)
  for (const [path, { permission, answer }] of Object.entries(endpoints)) {
    const isAllowed = RED.auth.needsPermission(`${scopes[what]}.${permission}`)
    RED.httpAdmin.post(`/platziverse/${what}/${path}`, isAllowed, jsonOnly, (request, response) => {
      Promise.resolve(isObject(request.body) ? request.body : {}).then(answer).then(
        result => { response.json({ ok: true, ...result }) },
        (error: unknown) => { response.status(error instanceof PlatziverseError ? 400 : 500).json(refusalOf(error)) }
      )
    })
  }
}

/** How an error is answered. */
export function refusalOf (error: unknown): Refusal {
  const { code, detail, help } = error instanceof PlatziverseError ? error : new PlatziverseError('ADMIN_FAILED', `${reasonOf(error)}.`)
  return { ok: false, code, detail, help }
}

// As express has them, whose types this package does not install.
type Request = { is (type: string): string | false | null }
type Response = { status (code: number): { json (body: object): unknown } }

/**
 * Answers 415 to everything but JSON. A form on any website can send anything else to this machine's Node-RED in the name of its
 * visitor; for JSON the browser asks Node-RED first, which says no.
 */
function jsonOnly (request: Request, response: Response, next: () => void): void {
  if (request.is('application/json')) next()
  else response.status(415).json(refusalOf(new PlatziverseError('ADMIN_NOT_JSON', 'The body is not JSON.')))
}

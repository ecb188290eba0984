import { PlatziverseError, reasonOf } from '../../lib/errors.ts'
import { isObject } from '../../lib/is-object.ts'
import { advice, translated } from '../../lib/texts/error-text.ts'
import { languages, type Language } from '../../lib/texts/languages.ts'
import type { RED } from './red.ts'
import type { Refusal } from './refusal.ts'

export type Body = Record<string, unknown>

export interface Endpoint {
  /** `read`: for users who may see the flows; `write`: for users who may change them. */
  permission: 'read' | 'write'
  /**
   * What the answer says beside `ok: true`; or a refusal, if the request was right and the answer is no.
   * @param language of the reader
   * @throws PlatziverseError what is wrong with the body
   */
  answer (body: Body, language: Language): object | Promise<object>
}

/** What is served already: a module may be loaded more than once. */
const served = new WeakMap<object, Set<string>>()

/** The first words of the permissions that an area's endpoints need. */
const scopes = { broker: 'platziverse-broker', database: 'platziverse-database', sidebar: 'platziverse', topics: 'agent-in' } as const

/**
 * Serves `POST platziverse/<what>/<path>` of Node-RED's admin API, JSON in and out: `{ok: true, …}`, or a `Refusal` in the language of `Accept-Language` with status 400 for
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
      const language = readerOf(request)
      Promise.resolve(isObject(request.body) ? request.body : {}).then(body => answer(body, language)).then(
        result => { response.json({ ok: true, ...result }) },
        (error: unknown) => { response.status(error instanceof PlatziverseError ? 400 : 500).json(refusalOf(error, language)) }
      )
    })
  }
}

/** How an error is answered, to a reader of a language. */
export function refusalOf (error: unknown, language: Language): Refusal {
  const { code, detail } = error instanceof PlatziverseError ? error : new PlatziverseError('ADMIN_FAILED', `${reasonOf(error)}.`)
  return { ok: false, code, detail: translated(detail, language), help: advice[language][code] }
}

// As express has them, whose types this package does not install.
type Request = { is (type: string): string | false | null, acceptsLanguages (...languages: string[]): string | false }
type Response = { status (code: number): { json (body: object): unknown } }

/**
 * Answers 415 to everything but JSON. A form on any website can send anything else to this machine's Node-RED in the name of its
 * visitor; for JSON the browser asks Node-RED first, which says no.
 */
function jsonOnly (request: Request, response: Response, next: () => void): void {
  if (request.is('application/json')) next()
  else response.status(415).json(refusalOf(new PlatziverseError('ADMIN_NOT_JSON', 'The body is not JSON.'), readerOf(request)))
}

/** The language that a request asks for: the editor's, which may be another than Node-RED's. English where it asks for none of these. */
function readerOf (request: Request): Language {
  const wanted = request.acceptsLanguages(...languages)
  return languages.find(language => language === wanted) ?? 'en'
}

import { hashPassword, parsePasswordFile } from '../../lib/broker/access/passwords.ts'
import { formatRulesFile, parseRulesFile } from '../../lib/broker/access/rules-file.ts'
import { checkRule } from '../../lib/broker/access/rules.ts'
import { reasonOf } from '../../lib/errors.ts'
import { jsonOnly } from '../shared/json-only.ts'
import type { RED } from '../shared/red.ts'
import type { SavedRule } from './config.ts'

/** Characters of a Mosquitto file. */
export const longestText = 1_048_576
/** Bytes: the length of a password is two bytes of CONNECT [MQTT-3.1.3.5]. */
const longestPassword = 65_535
/** Of a list of users or rules. */
export const mostEntries = 10_000

/** What a request got wrong; the form has a text for each code. */
type Refusal = { code: 'PASSWORD_INVALID' | 'TEXT_INVALID' | 'RULES_INVALID', message: string }
type Body = Record<string, unknown>

const registered = new WeakSet<object>()

/**
 * What the form asks of the runtime, JSON in and out, below `platziverse/broker/` of the admin API:
 *
 * - `hash` `{password}` → `{hash}`
 * - `users/parse` `{text}` → `{users, problems}`, of a Mosquitto password file
 * - `rules/parse` `{text}` → `{rules, problems}`, of a Mosquitto ACL file
 * - `rules/format` `{rules}` → `{text}`
 *
 * A problem is `{line, problem, text}`, of a password file with a `username`: the key of the form's text, and the English sentence.
 * Bad input is answered by 400 and `{code, message}`. May be called often: the endpoints are registered once.
 */
export function registerAdmin (RED: RED): void {
  const { httpAdmin } = RED
  if (registered.has(httpAdmin)) return
  registered.add(httpAdmin)

  const answer = (path: string, permission: 'read' | 'write', act: (body: Body) => object | Promise<object>): void => {
    httpAdmin.post(`/platziverse/broker/${path}`, RED.auth.needsPermission(`platziverse-broker.${permission}`), jsonOnly, (request, response) => {
      Promise.resolve(isObject(request.body) ? request.body : {}).then(act).then(
        result => { response.status(isRefusal(result) ? 400 : 200).json(result) },
        (error: unknown) => { response.status(500).json({ code: 'FAILED', message: reasonOf(error) }) }
      )
    })
  }

  answer('hash', 'write', async ({ password }) => {
    if (!isPassword(password)) return refuse('PASSWORD_INVALID', `password: a string of 1 to ${longestPassword} bytes.`)
    return { hash: await hashPassword(password) }
  })
  answer('users/parse', 'write', ({ text }) => isText(text) ? parsePasswordFile(text) : noText)
  answer('rules/parse', 'write', ({ text }) => isText(text) ? parseRulesFile(text) : noText)
  answer('rules/format', 'read', ({ rules }) => isRules(rules)
    ? { text: formatRulesFile(rules) }
    : refuse('RULES_INVALID', `rules: an array of at most ${mostEntries} rules {subject, username, access, topic}.`))
}

const noText = refuse('TEXT_INVALID', `text: a string of at most ${longestText} characters.`)

function refuse (code: Refusal['code'], message: string): Refusal {
  return { code, message }
}

function isRefusal (result: object): result is Refusal {
  return 'code' in result
}

export function isPassword (value: unknown): value is string {
  return typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= longestPassword
}

export function isText (value: unknown): value is string {
  return typeof value === 'string' && value.length <= longestText
}

function isRules (value: unknown): value is SavedRule[] {
  return Array.isArray(value) && value.length <= mostEntries && value.every(rule => isObject(rule) && checkRule(rule) === undefined)
}

export function isObject (value: unknown): value is Body {
  return typeof value === 'object' && value !== null
}

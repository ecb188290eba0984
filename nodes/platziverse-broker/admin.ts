import { isPassword, isRuleList, isText, longestPassword, longestText, mostEntries } from '../../lib/broker/access/given-access.ts'
import { hashPassword, parsePasswordFile } from '../../lib/broker/access/passwords.ts'
import { formatRulesFile, parseRulesFile } from '../../lib/broker/access/rules-file.ts'
import { PlatziverseError } from '../../lib/errors.ts'
import { serveAdmin } from '../shared/admin.ts'
import type { RED } from '../shared/red.ts'
import { reachOf } from './addresses.ts'

/**
 * What the form asks of the runtime, below `platziverse/broker/` of the admin API (see shared/admin.ts):
 *
 * - `hash` `{password}` → `{hash}`
 * - `users/parse` `{text}` → `{users, problems}`, of a Mosquitto password file
 * - `rules/parse` `{text}` → `{rules, problems}`, of a Mosquitto ACL file
 * - `rules/format` `{rules}` → `{text}`
 * - `addresses` `{id}` → `{addresses, port}`: under which addresses devices reach this machine, and on which port the node's broker
 *   listens, if it does
 *
 * A problem is `{line, problem, text}`, in a password file with a `username`: the key of the form's text, and the English sentence.
 */
export function registerAdmin (RED: RED): void {
  serveAdmin(RED, 'broker', {
    'hash': {
      permission: 'write',
      answer: async ({ password }) => ({ hash: await hashPassword(checkPassword(password)) })
    },
    'addresses': { permission: 'read', answer: ({ id }) => reachOf(id) },
    'users/parse': { permission: 'write', answer: ({ text }) => parsePasswordFile(checkText(text)) },
    'rules/parse': { permission: 'write', answer: ({ text }) => parseRulesFile(checkText(text)) },
    'rules/format': {
      permission: 'read',
      answer ({ rules }) {
        if (!isRuleList(rules)) {
          throw new PlatziverseError('RULES_INVALID', `rules is not an array of at most ${mostEntries} rules {subject, username, access, topic}.`)
        }
        return { text: formatRulesFile(rules) }
      }
    }
  })
}

function checkPassword (password: unknown): string {
  if (!isPassword(password)) throw new PlatziverseError('PASSWORD_INVALID', `password is not a string of 1 to ${longestPassword} bytes.`)
  return password
}

function checkText (text: unknown): string {
  if (!isText(text)) throw new PlatziverseError('TEXT_INVALID', `text is not a string of at most ${longestText} characters.`)
  return text
}

import { aliases } from './aliases.ts'
import type { Clause } from './clause.ts'
import { codes } from './codes.ts'
import { connecting } from './connecting.ts'
import { expiry } from './expiry.ts'
import { flow } from './flow.ts'
import { identifiers } from './identifiers.ts'
import { options } from './options.ts'
import { publishing } from './publishing.ts'
import { sessions } from './sessions.ts'
import { shared } from './shared.ts'
import { sizes } from './sizes.ts'
import { acrossVersions } from './versions.ts'
import { wills } from './wills.ts'

/** Every check, by subject. */
export const clauses: Record<string, Clause[]> = {
  'connecting': connecting,
  'sessions': sessions,
  'wills': wills,
  'publishing': publishing,
  'message expiry': expiry,
  'topic aliases': aliases,
  'flow control': flow,
  'packet sizes': sizes,
  'subscriptions': options,
  'subscription ids': identifiers,
  'shared subscriptions': shared,
  'reason codes': codes,
  'MQTT 3.1.1 and 5 together': acrossVersions
}

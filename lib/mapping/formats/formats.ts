import type { MakeReader } from '../reading.ts'
import type { PayloadFormat } from '../topic-rule.ts'
import { json } from './json.ts'
import { presence } from './presence.ts'
import { value } from './value.ts'

const unread: MakeReader = ({ format }) => () => ({ ok: false, reason: 'FIELD_INVALID', detail: `Payloads of the format ${format} are not read yet.` })
const [influx, telegraf, csv, sparkplug] = [unread, unread, unread, unread]

/** What reads each format. */
export const formats: Readonly<Record<PayloadFormat, MakeReader>> = { value, json, influx, telegraf, csv, sparkplug, presence }

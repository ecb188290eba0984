import type { MakeReader } from '../reading.ts'
import type { PayloadFormat } from '../topic-rule.ts'
import { csv } from './csv.ts'
import { influx } from './influx.ts'
import { json } from './json.ts'
import { presence } from './presence.ts'
import { sparkplug } from './sparkplug.ts'
import { telegraf } from './telegraf.ts'
import { value } from './value.ts'

/** What reads each format. */
export const formats: Readonly<Record<PayloadFormat, MakeReader>> = { value, json, influx, telegraf, csv, sparkplug, presence }

import { PlatziverseError } from '../errors.ts'
import { mostOpen, mostRows, parts, type Part } from './shown.ts'

/** Most characters that are searched for, and most that a name may have. */
const longestSearch = 128
const longestName = 65_535

/** A question for what there is to see. */
export interface Asked {
  parts: Part[]
  /** Rows have it somewhere in their names, in whatever case; empty: all rows. */
  search: string
  /** Which database the agents are in, and which broker retains the messages; empty: the first by name. */
  database: string
  broker: string
  /** Most rows. */
  clients: number
  agents: number
  retained: number
  /** Whether a broker elsewhere is asked for its retained messages: it would send them each time. */
  read: boolean
  /** Uuids of the agents whose metrics are asked for. */
  open: string[]
}

/** @throws PlatziverseError ADMIN_REQUEST_INVALID */
export function readAsked (body: Record<string, unknown>): Asked {
  const { parts: asked = parts, search = '', database = '', broker = '', clients = mostRows, agents = mostRows, retained = mostRows, read = false, open = [] } = body
  if (!isListOf(asked, parts.length, (one): one is Part => parts.some(part => part === one))) throw invalid(`parts is no list of ${parts.join(', ')}.`)
  if (!isListOf(open, mostOpen, isName)) throw invalid(`open is no list of at most ${mostOpen} uuids.`)
  return {
    parts: asked,
    search: readSearch(search),
    database: readName('database', database, true),
    broker: readName('broker', broker, true),
    clients: readMost('clients', clients),
    agents: readMost('agents', agents),
    retained: readMost('retained', retained),
    read: read === true,
    open
  }
}

function readSearch (value: unknown): string {
  if (typeof value !== 'string' || value.length > longestSearch || value.includes('\0')) throw invalid(`search is no text of at most ${longestSearch} characters.`)
  return value.trim()
}

function readMost (name: string, value: unknown): number {
  if (!Number.isInteger(value) || Number(value) < 1 || Number(value) > mostRows) throw invalid(`${name} is no whole number from 1 to ${mostRows}.`)
  return Number(value)
}

/** @throws PlatziverseError ADMIN_REQUEST_INVALID */
export function readName (name: string, value: unknown, mayBeEmpty = false): string {
  if (mayBeEmpty && value === '') return value
  if (!isName(value)) throw invalid(`${name} is missing, or is no text.`)
  return value
}

function isName (value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= longestName
}

function isListOf<Item> (value: unknown, most: number, isItem: (one: unknown) => one is Item): value is Item[] {
  return Array.isArray(value) && value.length <= most && value.every(isItem)
}

function invalid (detail: string): PlatziverseError {
  return new PlatziverseError('ADMIN_REQUEST_INVALID', detail)
}

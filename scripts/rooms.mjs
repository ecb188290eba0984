// The rooms of lib/, and what each may import. One list: the linter's walls, the map in docs/architecture.md and `npm run rooms` come from it.
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** From the top down: a room imports only from rooms below it, and from `lib` itself, which everybody may. */
export const rooms = [
  { path: 'lib/transfer', about: 'the command `platziverse-store`: export, import, migrate, status', imports: ['lib/transfer/texts', 'lib/texts', 'lib/store', 'lib/store/rollup', 'lib/store/slices', 'lib/store/migrations', 'lib/store/dialects', 'lib/messages'] },
  { path: 'lib/transfer/texts', about: 'what that command says, in three languages', imports: ['lib/texts'] },
  { path: 'lib/overview', about: 'what there is to see now: brokers, clients, retained messages and agents, searched and in lists that end', imports: ['lib/query', 'lib/store/dialects', 'lib/broker'] },
  { path: 'lib/terminal', about: 'the command `platziverse-agent`: reports, watches, publishes, subscribes', imports: ['lib/terminal/texts', 'lib/texts', 'lib/agent', 'lib/messages', 'lib/mqtt/link', 'lib/mqtt'] },
  { path: 'lib/terminal/texts', about: 'what that command says, in three languages', imports: ['lib/texts', 'lib/agent'] },
  { path: 'lib/alerts/texts', about: 'what an alert says, in three languages', imports: ['lib/alerts', 'lib/alerts/rules', 'lib/texts'] },
  { path: 'lib/alerts', about: 'judges what was stored by rules, remembers what is raised, and says so once', imports: ['lib/alerts/rules', 'lib/store', 'lib/store/writer', 'lib/store/dialects'] },
  { path: 'lib/alerts/rules', about: 'rules of alerts, and what becomes of one by a value or by the clock; maintenance', imports: [] },
  { path: 'lib/query/live', about: 'questions that are asked again when something new is stored', imports: ['lib/query', 'lib/query/series', 'lib/messages'] },
  {
    path: 'lib/query',
    about: 'the queries that `metric-query` asks',
    imports: ['lib/query/buckets', 'lib/query/series', 'lib/store/dialects', 'lib/messages']
  },
  {
    path: 'lib/query/buckets',
    about: 'series by spans of time, as wide as the calendar says or a chart has points for',
    imports: ['lib/query/series', 'lib/store/rollup', 'lib/store/dialects']
  },
  { path: 'lib/query/series', about: 'which series a question is about, their metrics and their latest values', imports: ['lib/store/rollup', 'lib/store/dialects'] },
  { path: 'lib/store/retention', about: 'deletes metrics and totals that are older than the retention period', imports: ['lib/store/settling', 'lib/store/rollup', 'lib/store/slices', 'lib/store', 'lib/store/dialects'] },
  { path: 'lib/store/forgetting', about: 'deletes agents with everything that they reported', imports: ['lib/store/slices', 'lib/store', 'lib/store/dialects'] },
  { path: 'lib/store/settling', about: 'moves metrics from where they came in to where they stay', imports: ['lib/store/slices', 'lib/store'] },
  { path: 'lib/store/rollup', about: 'totals by hour and by day', imports: ['lib/store/slices', 'lib/store', 'lib/store/dialects'] },
  { path: 'lib/store/slices', about: 'long work in slices, so that senders do not notice it', imports: ['lib/store', 'lib/store/dialects'] },
  { path: 'lib/store', about: 'the store: its states, its connections, and trying out a database', imports: ['lib/store/writer', 'lib/store/migrations', 'lib/store/dialects', 'lib/store/dialects/sqlite', 'lib/store/dialects/postgresql', 'lib/store/dialects/mysql', 'lib/messages'] },
  { path: 'lib/store/writer', about: 'turns a batch of messages into one statement; the spool, for when the database is away', imports: ['lib/store/dialects', 'lib/messages', 'lib/sqlite'] },
  { path: 'lib/store/migrations', about: 'the schema, one step a file; a step that was released never changes', grows: true, imports: ['lib/store/dialects', 'lib/store/dialects/mysql'] },
  { path: 'lib/store/dialects/sqlite', about: 'SQLite', imports: ['lib/store/dialects', 'lib/sqlite'] },
  { path: 'lib/store/dialects/postgresql', about: 'PostgreSQL, with TimescaleDB', imports: ['lib/store/dialects'] },
  { path: 'lib/store/dialects/mysql', about: 'MariaDB and MySQL', imports: ['lib/store/dialects'] },
  { path: 'lib/store/dialects', about: 'what each database must be able to do, and what all of them share', imports: ['lib/sqlite'] },
  { path: 'lib/registry', about: 'what outlives a deploy, by the id of its node: brokers, intakes, bridges, agents, outboxes', imports: ['lib/intake', 'lib/bridge', 'lib/agent', 'lib/broker/engine', 'lib/broker', 'lib/messages'] },
  { path: 'lib/intake', about: 'takes the three topics off the broker, reads others along, checks the messages, and acknowledges them once they are settled', imports: ['lib/broker', 'lib/mapping/rules', 'lib/mapping', 'lib/messages', 'lib/mqtt'] },
  { path: 'lib/mapping/rules', about: 'the rows of "Other topics", compiled: which one a topic belongs to', imports: ['lib/mapping/formats', 'lib/mapping', 'lib/messages', 'lib/mqtt'] },
  { path: 'lib/mapping/presets', about: 'rows of "Other topics" for devices as they come', imports: ['lib/mapping'] },
  { path: 'lib/mapping/formats', about: 'what reads payloads of other topics, by their format', imports: ['lib/mapping/formats/sparkplug', 'lib/mapping', 'lib/messages'] },
  { path: 'lib/mapping/formats/sparkplug', about: 'Sparkplug B: its payloads, what births say, and the command that asks for one', imports: [] },
  { path: 'lib/mapping', about: 'the contract of "Other topics": a row of it, its topic pattern, and what a payload says', imports: ['lib/messages', 'lib/mqtt'] },
  { path: 'lib/bridge', about: 'an MQTT client that carries topics to and from another broker', imports: ['lib/broker', 'lib/messages', 'lib/mqtt/link', 'lib/mqtt'] },
  { path: 'lib/agent', about: 'the agent: measures, reports, obeys commands', imports: ['lib/messages', 'lib/mqtt/link', 'lib/mqtt'] },
  { path: 'lib/broker/engine', about: 'the broker, made of aedes; which engine a broker is made of', imports: ['lib/broker/remote', 'lib/broker/mqtt5', 'lib/broker/aedes', 'lib/broker/listening', 'lib/broker/login', 'lib/broker/watching', 'lib/broker', 'lib/broker/access', 'lib/broker/persistence', 'lib/broker/stream', 'lib/mqtt'] },
  { path: 'lib/broker/remote', about: 'the broker that runs elsewhere, of which this process is a client', imports: ['lib/broker/remote/session', 'lib/broker', 'lib/broker/mqtt5', 'lib/messages', 'lib/mqtt/link', 'lib/mqtt'] },
  { path: 'lib/broker/remote/session', about: 'what a broker elsewhere keeps for this process: subscriptions, and messages until they are acknowledged', imports: ['lib/broker', 'lib/mqtt/link', 'lib/mqtt'] },
  { path: 'lib/broker/mqtt5', about: 'MQTT 5 with a client, 3.1.1 with aedes in its name', imports: ['lib/broker/aedes', 'lib/broker/persistence', 'lib/broker', 'lib/mqtt'] },
  { path: 'lib/broker/aedes', about: 'aedes and what it lacks: types of its private members, shared subscriptions, one delivery of each message', imports: ['lib/broker/persistence', 'lib/broker', 'lib/mqtt'] },
  { path: 'lib/broker/listening', about: 'ports, TLS, WebSocket, and how many may connect', imports: ['lib/broker', 'lib/broker/stream'] },
  { path: 'lib/broker/login', about: 'who gets in: users, guessed passwords, bans', imports: ['lib/broker', 'lib/broker/access', 'lib/broker/persistence'] },
  { path: 'lib/broker/watching', about: 'counters, `$SYS` topics, Prometheus', imports: ['lib/broker'] },
  { path: 'lib/broker/persistence', about: 'retained messages, sessions, their queues and wills, in memory and on disk', imports: ['lib/broker/persistence/journal', 'lib/broker', 'lib/sqlite', 'lib/mqtt'] },
  { path: 'lib/broker/persistence/journal', about: 'the file that keeps what the broker remembers, and the records in it', imports: ['lib/broker', 'lib/sqlite'] },
  { path: 'lib/broker', about: 'the contract: what any broker is to the rest, whatever it is made of', imports: ['lib/broker/access', 'lib/broker/stream', 'lib/mqtt'] },
  { path: 'lib/broker/access', about: 'rules and password files', imports: ['lib/mqtt'] },
  { path: 'lib/broker/stream', about: 'the bytes of a connection: guarded before they are parsed, counted, and written together', imports: ['lib/mqtt'] },
  { path: 'lib/texts', about: 'what is said of errors, in three languages; of commands and nodes alike', imports: [] },
  { path: 'lib/messages', about: 'the three messages: parsed, checked, told apart', imports: [] },
  { path: 'lib/sqlite', about: 'SQLite through sqlite3 or through Node.js', imports: [] },
  { path: 'lib/mqtt/link', about: 'a connection to a broker elsewhere: attempts, packets and their largest size; a guard for those of MQTT.js', imports: ['lib/mqtt'] },
  { path: 'lib/mqtt', about: 'topics, addresses, properties and reason codes of MQTT', imports: [] },
  { path: 'lib', about: 'errors and their help, time, small data structures', imports: [] }
]

/** Most files in a room, but for one that `grows`: its files are steps that never change. */
export const mostFiles = 14

/** The room of a file, by its absolute path; undefined: none. */
export function roomOf (file) {
  const path = dirname(relative(root, file)).split(sep).join('/')
  return rooms.find(room => room.path === path)
}

/** Why a file may not import another one of lib/, by their absolute paths; undefined: it may. */
export function wallBetween (from, to) {
  const [here, there] = [roomOf(from), roomOf(to)]
  if (here === undefined || there === undefined || here === there || there.path === 'lib' || here.imports.includes(there.path)) return undefined
  return `${here.path} (${here.about}) may import from ${[...here.imports, 'lib'].join(', ')}, and not from ${there.path}: see docs/architecture.md.`
}

/** For ESLint. */
export const walls = {
  meta: { type: 'problem', schema: [] },
  create: context => {
    const check = ({ source }) => {
      if (typeof source?.value !== 'string' || !source.value.startsWith('.')) return
      const message = wallBetween(context.filename, join(dirname(context.filename), source.value))
      if (message !== undefined) context.report({ node: source, message })
    }
    return { ImportDeclaration: check, ExportNamedDeclaration: check, ExportAllDeclaration: check, ImportExpression: check }
  }
}

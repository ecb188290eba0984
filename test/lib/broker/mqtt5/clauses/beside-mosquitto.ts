// Puts this broker and Mosquitto to every check and prints what docs/mqtt.md shows: a table by subject, and the checks that not both pass.
// With --all: each check. Run it with `node test/lib/broker/mqtt5/clauses/beside-mosquitto.ts`.
import { openBroker } from '../../../../helpers/broker.ts'
import { openMosquitto } from '../../../../helpers/mosquitto.ts'
import { put, type Clause } from './clause.ts'
import { clauses } from './clauses.ts'

/** Checks at a time: most of them wait. */
const atATime = 8

const endings: Array<() => unknown> = []
const t = { after: (end: () => unknown) => { endings.push(end) } }
const ours = await openBroker(t, { limits: { packetBytes: 100_000 } })
const mosquitto = await openMosquitto(t, 'allow_anonymous true\nmax_packet_size 100000')

const passes = (port: number, clause: Clause): Promise<boolean> => put(port, clause).then(() => true, () => false)
const rows: Array<{ subject: string, clause: Clause, ours: boolean, mosquitto: boolean }> = []
const all = Object.entries(clauses).flatMap(([subject, ofSubject]) => ofSubject.map(clause => ({ subject, clause })))
const waiting = all.entries()
await Promise.all(Array.from({ length: atATime }, async () => {
  for (const [i, { subject, clause }] of waiting) {
    rows[i] = { subject, clause, ours: await passes(ours.port, clause), mosquitto: await passes(mosquitto.port, clause) }
  }
}))
for (const end of endings.reverse()) await end()

const word = (pass: boolean): string => pass ? 'pass' : '**fail**'
const counted = (subject: string, of: typeof rows): string => `| ${subject} | ${of.length} | ${of.filter(row => row.ours).length} | ${of.filter(row => row.mosquitto).length} |`
console.log('| subject | checks | this broker | Mosquitto |\n|---|---|---|---|')
for (const subject of Object.keys(clauses)) console.log(counted(subject, rows.filter(row => row.subject === subject)))
console.log(counted('**all**', rows))
console.log('\n| clause | | this broker | Mosquitto |\n|---|---|---|---|')
for (const { clause: { clause, title }, ours, mosquitto } of rows) {
  if (process.argv.includes('--all') || !ours || !mosquitto) console.log(`| ${clause} | ${title} | ${word(ours)} | ${word(mosquitto)} |`)
}
process.exit()

// `npm run rooms`: prints which room imports which, and fails on an arrow that points up or is not in the list, and on files that import
// each other in a circle, in one room or across rooms.
// With --write it brings the table in docs/architecture.md up to date.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mostFiles, roomOf, rooms } from './rooms.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = join(root, 'docs', 'architecture.md')
const problems = []

const files = readdirSync(join(root, 'lib'), { recursive: true, withFileTypes: true })
  .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
  .map(({ parentPath, name }) => join(parentPath, name))

const inRoom = new Map(rooms.map(({ path }) => [path, 0]))
const arrows = new Map(rooms.map(({ path }) => [path, new Map()]))
const importsOf = new Map()
for (const file of files) {
  const room = roomOf(file)
  if (room === undefined) {
    problems.push(`${file} is in no room: put its folder into scripts/rooms.mjs.`)
    continue
  }
  inRoom.set(room.path, inRoom.get(room.path) + 1)
  importsOf.set(file, [...readFileSync(file, 'utf8').matchAll(/(?:from |import ?\(?)'(\.[^']+)'/g)].map(([, specifier]) => join(dirname(file), specifier)))
  for (const target of importsOf.get(file)) {
    const there = roomOf(target)
    if (there === undefined || there === room) continue
    const from = arrows.get(room.path)
    from.set(there.path, (from.get(there.path) ?? 0) + 1)
  }
}

const seen = new Set()
/** Follows the imports of a file. @param way the files that lead to it, and itself at the end */
function follow (way) {
  for (const target of importsOf.get(way.at(-1)) ?? []) {
    const start = way.indexOf(target)
    if (start >= 0) problems.push(`These import each other in a circle: ${[...way.slice(start), target].map(file => relative(root, file)).join(' → ')}.`)
    else if (!seen.has(target)) follow([...way, target])
  }
  seen.add(way.at(-1))
}
for (const file of files) if (!seen.has(file)) follow([file])

const floor = new Map(rooms.map(({ path }, i) => [path, i]))
for (const { path, imports } of rooms) {
  const count = inRoom.get(path)
  const to = arrows.get(path)
  console.log(`${path} (${count} files)`)
  for (const [target, times] of to) console.log(`  ${floor.get(target) > floor.get(path) ? '↓' : '↑'} ${target} (${times})`)
  if (count === 0) problems.push(`${path} has no files.`)
  if (count > mostFiles && rooms.find(room => room.path === path)?.grows !== true) problems.push(`${path} has ${count} files, and a room has ${mostFiles} at most.`)
  for (const target of to.keys()) {
    if (floor.get(target) < floor.get(path)) problems.push(`${path} imports from ${target}, which stands above it.`)
    else if (target !== 'lib' && !imports.includes(target)) problems.push(`${path} imports from ${target}, which is not in its list.`)
  }
  for (const target of imports) if (!to.has(target)) problems.push(`${path} may import from ${target}, and does not: take it out of the list.`)
}

const [start, end] = ['<!-- rooms: written by `npm run rooms -- --write` -->\n', '<!-- end of rooms -->']
const text = readFileSync(page, 'utf8')
const [from, to] = [text.indexOf(start) + start.length, text.indexOf(end)]
const table = ['| Room | What is in it | May import from |', '|---|---|---|', ...rooms.map(({ path, about, imports }) => `| \`${path}\` | ${about} | ${imports.map(name => `\`${name.replace(/^lib\//, '')}\``).join(', ')} |`), ''].join('\n')
if (process.argv.includes('--write')) writeFileSync(page, text.slice(0, from) + table + text.slice(to))
else if (text.slice(from, to) !== table) problems.push('The table in docs/architecture.md is another one: run "npm run rooms -- --write".')

for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0

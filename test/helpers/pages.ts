import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { delimiter, join } from 'node:path'
import type { TestContext } from 'node:test'
import { temporaryFolder } from './folder.ts'
import { packageDir, skipped } from './node-red.ts'

/** A page of docs/, whose commands a test runs. */
export interface Page {
  /** The headings below which there are commands: indented lines. */
  readonly headings: string[]
  /** The commands below a heading: a script of each block of them. */
  commands (heading: string): string[]
  /** All that is below a heading. */
  text (heading: string): string
  /** What stands between ``` and ``` below a heading, or the one with this number, from 0. */
  file (heading: string, number?: number): string
}

/** Opens a page of docs/. The tests of the documents see to it that a heading with commands is in the page's own test. */
export async function openPage (name: string): Promise<Page> {
  const text = await readFile(join(packageDir, 'docs', name), 'utf8')
  // A comment in a file is no heading.
  const marked = text.replace(/^```[^]*?^```$/gm, file => file.replace(/^#/gm, '\0#'))
  const sections = new Map(marked.split(/^#+ /m).slice(1).map(section => {
    const [heading = ''] = section.split('\n', 1)
    return [heading, section.slice(heading.length).replaceAll('\0', '')] as const
  }))
  const section = (heading: string): string => sections.get(heading) ?? assert.fail(`${name} has no heading "${heading}"`)
  const commands = (heading: string): string[] => [...section(heading).replace(/^```[^]*?^```$/gm, '').matchAll(/(?:^ {4}.*\n?)+/gm)].map(([block]) => block.replace(/^ {4}/gm, ''))
  return {
    headings: [...sections.keys()].filter(heading => commands(heading).length > 0),
    commands,
    text: section,
    file: (heading, number = 0) => [...section(heading).matchAll(/^```\w*\n([^]*?)^```$/gm)][number]?.[1] ?? assert.fail(`"${heading}" in ${name} has no such file`)
  }
}

export interface Shell {
  /** `~` of the commands. */
  readonly home: string
  readonly env: NodeJS.ProcessEnv
  /** Runs a script as bash does for a person who stops at the first error; resolves with what it wrote to stdout. */
  run (script: string): Promise<string>
  /** Puts a program in front of everything else on the path: a script of sh. */
  program (name: string, script: string): Promise<void>
  /** The same as a function: it gets the arguments, and what it resolves with is printed. */
  standIn (name: string, act: (args: string[]) => string | Promise<string>): Promise<void>
}

/** A shell with a home of its own. `sudo` in it is nothing, so that commands do what they say as whoever runs the test. */
export async function openShell (t: Pick<TestContext, 'after'>, env: NodeJS.ProcessEnv = {}): Promise<Shell> {
  const home = await temporaryFolder(t)
  const bin = join(home, '.bin')
  await mkdir(bin)
  const { NODE_OPTIONS: _options, NODE_V8_COVERAGE: _coverage, NODE_TEST_CONTEXT: _context, ...inherited } = process.env
  // npm tells the programs that it starts which project is around them.
  const kept = Object.entries(inherited).filter(([name]) => !/^npm_(?!config_(registry|cache|userconfig))/i.test(name))
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(folder => !/node_modules[\\/]\.bin[\\/]?$/.test(folder))
  const environment: NodeJS.ProcessEnv = {
    ...Object.fromEntries(kept), HOME: home, PATH: [bin, ...folders].join(delimiter), npm_config_update_notifier: 'false', npm_config_fund: 'false', npm_config_audit: 'false', ...env
  }
  const acts = new Map<string, (args: string[]) => string | Promise<string>>()
  const server = createServer({ allowHalfOpen: true }, socket => {
    let asked = ''
    socket.setEncoding('utf8').on('data', (text: string) => { asked += text }).on('error', () => undefined)
    socket.on('end', () => {
      const [name = '', ...args] = asked.split('\0')
      void Promise.resolve().then(() => acts.get(name)!(args)).then(text => `0${text}`, error => `1${String(error)}\n`).then(answer => { socket.end(answer) })
    })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.after(() => { server.close() })
  const { port } = server.address() as AddressInfo
  const asks = `import { connect } from 'node:net'
const socket = connect({ port: ${port}, host: '127.0.0.1', allowHalfOpen: true })
let answer = ''
socket.setEncoding('utf8').on('data', text => { answer += text }).on('end', () => { process.exitCode = Number(answer[0]); process.stdout.write(answer.slice(1)) })
socket.end(process.argv.slice(2).join('\\0'))
`
  await writeFile(join(bin, 'asks.mjs'), asks)
  const program = async (name: string, script: string): Promise<void> => {
    await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`)
    await chmod(join(bin, name), 0o755)
  }
  await program('sudo', 'exec "$@"')
  return {
    home,
    env: environment,
    program,
    run: script => new Promise((resolve, reject) => {
      execFile('bash', ['-euo', 'pipefail', '-c', script], { cwd: home, env: environment, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout)
        else reject(new Error(`${script}\n\n${stdout}${stderr}`))
      })
    }),
    async standIn (name, act) {
      acts.set(name, act)
      await program(name, `exec "${process.execPath}" "${join(bin, 'asks.mjs')}" ${name} "$@"`)
    }
  }
}

/**
 * Makes `git clone` and `git pull` of the project in a shell give what is here, and `npm ci` and `npm pack` in it what is built here: the page
 * on Docker runs those two as they are.
 */
export async function cloneIsHere (shell: Shell): Promise<void> {
  const { stdout } = spawnSync('sh', ['-c', 'command -v npm'], { env: shell.env, encoding: 'utf8' })
  await shell.program('git', `case "$1" in clone) mkdir node-red-platziverse && cp -R "${packageDir}/docs" node-red-platziverse ;; esac`)
  await shell.program('npm', `case "$1" in
  ci) ;;
  pack) exec ${stdout.trim()} pack --ignore-scripts "${packageDir}" ;;
  *) exec ${stdout.trim()} "$@" ;;
esac`)
}

/**
 * What `{ skip }` of a test takes that needs programs.
 * @param where which package of Debian has them
 */
export function withoutPrograms (programs: string[], where: string): string | false {
  const missing = programs.filter(program => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0)
  return missing.length === 0 ? false : skipped(`${missing.join(', ')}: not here (on Debian: apt-get install ${where})`)
}

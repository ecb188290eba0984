import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The package's own folder, and its name. */
export const packageDir = fileURLToPath(new URL('../..', import.meta.url)).replace(/[\\/]$/, '')
export const packageName = '@platziverse/node-red-platziverse'

export type NodeRedVersion = 4 | 5

export interface NodeRedOptions {
  /** 5 runs on the package `node` (Node 24), 4 on a Node 20 of the machine. */
  version?: NodeRedVersion
  /** Flows to start with; absent: those already in `userDir`, or none. */
  flows?: readonly unknown[]
  /** Added to settings.js (JSON values only); `editorTheme` and `logging` are merged. */
  settings?: Record<string, unknown>
  env?: Record<string, string>
  /** A user directory that is the caller's: used as it is, and kept by `stop`. Absent: a temporary one. */
  userDir?: string
  /** Absent: a free port. */
  port?: number
  /** Whether the built package is linked into the user directory. Default true; needs `npm run build`. */
  linked?: boolean
  /** Milliseconds to wait until the flows run. */
  timeout?: number
  /** Gets the id of the process before anything in it runs. */
  spawned? (pid: number): void
}

export type DeployType = 'full' | 'nodes' | 'flows' | 'reload'

export interface NodeRed {
  readonly url: string
  readonly port: number
  readonly userDir: string
  readonly version: NodeRedVersion
  readonly pid: number
  /** Resolves, when the process is gone, with its exit code or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals | null>
  /** All that was written to stdout and stderr up to now. */
  readonly log: string
  /** Calls the admin API; JSON in, JSON (or text, or nothing) out. Throws on any status of 400 and above. */
  api<T = unknown> (path: string, options?: ApiOptions): Promise<T>
  /** Deploys and resolves when the flows have started again. */
  deploy (flows: readonly unknown[], type?: DeployType): Promise<void>
  /** Resolves with the first match in the log, from its beginning (or from the character `from` on). */
  waitForLog (pattern: RegExp, options?: { timeout?: number, from?: number }): Promise<RegExpExecArray>
  /** Sends `signal` and resolves when the process is gone; the user directory stays until `stop`. */
  kill (signal?: NodeJS.Signals): Promise<void>
  /** Stops Node-RED in an orderly way and removes the temporary user directory. May be called twice. */
  stop (): Promise<void>
  [Symbol.asyncDispose] (): Promise<void>
}

export interface ApiOptions {
  method?: string
  body?: unknown
  headers?: Record<string, string>
}

/** What Node-RED logs, also where `settings.lang` is es-ES or pt-BR. */
const started = /Started (modified )?(flows|nodes)|Waiting for missing types|(Flujos|Nodos|Fluxos|Nós) (modificados )?iniciados/
const listening = /\] .* http:\/\/127\.0\.0\.1:\d+\//

const entries = { 5: 'node_modules/node-red/red.js', 4: 'node_modules/node-red-4/red.js' } as const
const nodes = { 5: (major: number) => major >= 22, 4: (major: number) => major === 20 } as const

/** The Node executable for a version of Node-RED, or undefined when this machine has none. */
export function nodeFor (version: NodeRedVersion): string | undefined {
  const name = process.platform === 'win32' ? 'node.exe' : 'node'
  const candidates = [
    ...(version === 4 ? [process.env['NODE_20']] : [join(packageDir, 'node_modules', '.bin', name)]),
    process.execPath,
    process.env['npm_node_execpath'],
    ...(process.env['PATH'] ?? '').split(delimiter).map(folder => join(folder, name))
  ]
  return candidates.find(path => path !== undefined && path !== '' && existsSync(path) && nodes[version](majorOf(path)))
}

/** What `{ skip }` of a test takes: false, or the reason and what to do. Throws instead where CI_COMPLETE=1. */
export function skipWithoutNodeRed (version: NodeRedVersion): string | false {
  if (nodeFor(version) !== undefined) return false
  return skipped(version === 4
    ? 'Node-RED 4.1 is tested on Node 20, which this machine lacks: install it, or set NODE_20 to its executable.'
    : 'Node-RED 5 needs Node 22.9 or later: run "npm install", which brings one.')
}

/** The reason of a skip; an error where everything must run (CI_COMPLETE=1). */
export function skipped (reason: string): string {
  if (process.env['CI_COMPLETE'] === '1') throw new Error(`CI_COMPLETE=1 allows no skip: ${reason}`)
  console.warn(`skipped: ${reason}`)
  return reason
}

/** Starts Node-RED as a child process and resolves when its flows run and its editor answers. */
export async function startNodeRed (options: NodeRedOptions = {}): Promise<NodeRed> {
  const version = options.version ?? 5
  const node = nodeFor(version)
  if (node === undefined) throw new Error(`No Node for Node-RED ${version} on this machine: see skipWithoutNodeRed().`)
  const userDir = options.userDir ?? await mkdtemp(join(tmpdir(), 'platziverse-node-red-'))
  const removeUserDir = async () => {
    if (options.userDir === undefined) await rm(userDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
  try {
    if (options.linked !== false) await linkPackage(userDir)
    if (options.flows) await writeFile(join(userDir, 'flows.json'), JSON.stringify(options.flows))
    for (let attempt = 1; ; attempt++) {
      const port = options.port ?? await freePort()
      await writeFile(join(userDir, 'settings.cjs'), `module.exports = ${JSON.stringify(settingsFor(port, options.settings), null, 2)}\n`)
      try {
        return await launch({ version, node, userDir, port, removeUserDir, env: options.env ?? {}, timeout: options.timeout ?? 90_000, spawned: options.spawned })
      } catch (error) {
        const taken = options.port === undefined && /EADDRINUSE|port in use/i.test(String(error))
        if (!taken || attempt === 3) throw error
      }
    }
  } catch (error) {
    await removeUserDir()
    throw error
  }
}

/**
 * The last port that was looked at: below those that systems give out by themselves, so that nobody is given it before it is used, and far
 * from where other processes look.
 */
let lastPort = 11_000 + process.pid * 20 % 20_000

/** A port that nothing listens on at this moment, and another one for each call: several may look at the same time. */
export async function freePort (host = '127.0.0.1'): Promise<number> {
  for (;;) {
    const port = ++lastPort
    if (await canListen(port, host)) return port
  }
}

async function canListen (port: number, host: string): Promise<boolean> {
  const server = createServer()
  const free = await new Promise<boolean>(resolve => { server.once('error', () => { resolve(false) }).listen(port, host, () => { resolve(true) }) })
  if (free) await new Promise(resolve => server.close(resolve))
  return free
}

/** Installs the repository into a user directory the way `npm install <folder>` does: a link and a dependency. */
async function linkPackage (userDir: string): Promise<void> {
  if (!existsSync(join(packageDir, 'dist', 'nodes'))) throw new Error('The package is not built: run "npm run build".')
  const target = join(userDir, 'node_modules', ...packageName.split('/'))
  await mkdir(dirname(target), { recursive: true })
  if (!existsSync(target)) await symlink(packageDir, target, 'junction')
  const manifest = { name: 'test-user-directory', private: true, version: '0.0.1', dependencies: { [packageName]: `file:${packageDir}` } }
  if (!existsSync(join(userDir, 'package.json'))) await writeFile(join(userDir, 'package.json'), JSON.stringify(manifest, null, 2))
}

/** Nothing is asked for, sent out or shown that a test did not order. */
function settingsFor (port: number, extra: Record<string, unknown> = {}): Record<string, unknown> {
  const { editorTheme, logging, ...rest } = extra
  return {
    uiPort: port,
    uiHost: '127.0.0.1',
    flowFile: 'flows.json',
    credentialSecret: 'a secret of the tests',
    telemetry: { enabled: false, updateNotification: false },
    diagnostics: { enabled: true, ui: false },
    runtimeState: { enabled: true, ui: false },
    functionExternalModules: false,
    logging: { console: { level: 'info', metrics: false, audit: false }, ...asObject(logging) },
    editorTheme: { tours: false, projects: { enabled: false }, palette: { catalogues: [] }, ...asObject(editorTheme) },
    ...rest
  }
}

interface Launch {
  version: NodeRedVersion
  node: string
  userDir: string
  port: number
  removeUserDir: () => Promise<void>
  env: Record<string, string>
  timeout: number
  spawned: NodeRedOptions['spawned']
}

async function launch ({ version, node, userDir, port, removeUserDir, env, timeout, spawned }: Launch): Promise<NodeRed> {
  const url = `http://127.0.0.1:${port}/`
  const args = [join(packageDir, entries[version]), '--userDir', userDir, '--settings', join(userDir, 'settings.cjs')]
  const child = spawn(node, args, { cwd: userDir, env: environment(node, env), stdio: ['ignore', 'pipe', 'pipe'] })
  if (child.pid !== undefined) spawned?.(child.pid)
  const output = collectOutput(child)
  const gone = new Promise<number | NodeJS.Signals | null>(resolve => { child.once('close', (code, signal) => { resolve(signal ?? code) }) })
  const running = () => child.exitCode === null && child.signalCode === null && child.pid !== undefined
  const killOnExit = () => { child.kill('SIGKILL') }
  process.once('exit', killOnExit)
  void gone.then(() => process.off('exit', killOnExit))

  const kill = async (signal: NodeJS.Signals = 'SIGKILL') => {
    if (running()) child.kill(signal)
    await gone
  }

  let stopping: Promise<void> | undefined
  const stop = () => stopping ??= (async () => {
    const patience = setTimeout(() => { child.kill('SIGKILL') }, 30_000)
    await kill('SIGTERM')
    clearTimeout(patience)
    await removeUserDir()
  })()

  const api: NodeRed['api'] = async <T>(path: string, { method, body, headers }: ApiOptions = {}) => {
    const raw = body instanceof FormData || typeof body === 'string'
    const response = await fetch(new URL(path.replace(/^\//, ''), url), {
      method: method ?? (body === undefined ? 'GET' : 'POST'),
      headers: { accept: 'application/json', ...(body === undefined || raw ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) })
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${response.status} on ${path}: ${text}`)
    return (response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text) as T
  }

  try {
    // "Started flows" alone says nothing of HTTP, and an open port nothing of the flows.
    await output.waitFor(started, { timeout })
    await output.waitFor(listening, { timeout })
    await api('settings')
  } catch (error) {
    await kill('SIGKILL')
    throw error
  }

  return {
    url,
    port,
    userDir,
    version,
    pid: child.pid ?? -1,
    ended: gone,
    get log () { return output.text() },
    api,
    async deploy (flows, type = 'full') {
      const from = output.text().length
      await api('flows', { body: flows, headers: { 'Node-RED-Deployment-Type': type } })
      // The API answers before the new flows have started.
      await output.waitFor(started, { timeout, from })
    },
    waitForLog: (pattern, waiting) => output.waitFor(pattern, waiting),
    kill,
    stop,
    [Symbol.asyncDispose]: stop
  }
}

/** Gathers what the child writes; waiters are looked at on every write, so nothing polls. */
function collectOutput (child: ChildProcess) {
  let text = ''
  let over: string | undefined
  const waiters = new Set<() => void>()
  const look = () => { for (const waiter of [...waiters]) waiter() }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => { text += chunk; look() })
  }
  child.once('error', error => { over = error.message; look() })
  child.once('close', (code, signal) => { over ??= `exit code ${code}, signal ${signal}`; look() })

  const waitFor = (pattern: RegExp, { timeout = 60_000, from = 0 }: { timeout?: number, from?: number } = {}) => new Promise<RegExpExecArray>((resolve, reject) => {
    const settle = (act: () => void) => { waiters.delete(check); clearTimeout(timer); act() }
    const check = () => {
      const match = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')).exec(text.slice(from))
      if (match) settle(() => resolve(match))
      else if (over !== undefined) settle(() => reject(new Error(`Node-RED ended (${over}) before ${pattern}:\n${text}`)))
    }
    const timer = setTimeout(() => settle(() => reject(new Error(`No ${pattern} within ${timeout} ms:\n${text}`))), timeout)
    waiters.add(check)
    check()
  })
  return { text: () => text, waitFor }
}

/** The child's environment: English logs, the right Node first on PATH, nothing of the test runner's. */
function environment (node: string, extra: Record<string, string>): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, NODE_V8_COVERAGE: _coverage, NODE_TEST_CONTEXT: _context, PORT: _port, ...inherited } = process.env
  const kept = Object.entries(inherited).filter(([name]) => !/^(NODE_RED_|LC_|LANG|npm_(?!config_))/i.test(name))
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter(folder => !/node_modules[\\/]\.bin[\\/]?$/.test(folder))
  return { ...Object.fromEntries(kept), LANG: 'en_US.UTF-8', LC_ALL: 'en_US.UTF-8', PATH: [dirname(node), ...folders].join(delimiter), ...extra }
}

const majors = new Map<string, number>()

function majorOf (node: string): number {
  let major = majors.get(node)
  if (major === undefined) {
    try {
      major = node === process.execPath ? Number.parseInt(process.versions.node) : Number.parseInt(execFileSync(node, ['-p', 'process.versions.node'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
    } catch {
      major = 0
    }
    majors.set(node, major)
  }
  return major
}

function asObject (value: unknown): object {
  return typeof value === 'object' && value !== null ? value : {}
}

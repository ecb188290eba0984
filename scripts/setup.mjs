// What `npm start` and `npm test` share. Plain JavaScript: it runs before anything is installed, on any Node from 20.19.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { text } from './texts.mjs'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** Node 24 of the package `node`: Node-RED 5 needs it, whatever Node this machine has. */
export const node24 = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node')

/**
 * Keep memory small and flat under load: what lives as long as a commit stays young instead of filling the old generation, the
 * young one takes at most 144 MB. For `npm start`, which starts a Node-RED of its own; the flags of anybody else's Node-RED are
 * not ours to set. Measured in docs/performance.md.
 */
export const memoryFlags = ['--no-allocation-site-pretenuring', '--max-semi-space-size=48']

/** What the build reads. */
const sources = ['lib', 'nodes', 'icons', 'flows', 'docs/openapi.json', 'scripts/build.ts', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']
/** ms between two signs of life of a step that takes long. */
const signEvery = 15_000

/** Install what package-lock.json asks for, and build, unless that was done already. Ends the process when a step fails. */
export async function prepare () {
  const installed = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(join(root, 'package-lock.json')).mtimeMs) {
    // Not the warnings: one of them says that Node-RED 5 does not run on the Node that npm runs on, and it need not.
    await step(text.install, 'npm', ['install', '--no-audit', '--no-fund', '--loglevel=error'])
  }
  if (!isBuilt()) await step(text.build, 'npm', ['run', '--silent', 'build'])
}

/** Whether nothing changed since the last build, whose last step makes the examples. */
function isBuilt () {
  const built = join(root, 'examples')
  return existsSync(join(root, 'dist')) && existsSync(built) && newestOf(sources.map(path => join(root, path))) < statSync(built).mtimeMs
}

/** When the newest of these files and folders, and of what is in them, was changed; a folder also changes when a file of it goes. */
function newestOf (paths) {
  return Math.max(0, ...paths.filter(existsSync).map(path => {
    const { mtimeMs } = statSync(path)
    return statSync(path).isDirectory() ? Math.max(mtimeMs, newestOf(readdirSync(path).map(name => join(path, name)))) : mtimeMs
  }))
}

/** Runs a command, and says what it is, that it still runs, and how long it took. Ends the process when it fails. */
async function step (name, command, args) {
  const since = Date.now()
  const time = () => `${((Date.now() - since) / 1000).toFixed(0)} s`
  console.log(`${name}…`)
  const signs = setInterval(() => { console.log(`  ${time()}…`) }, signEvery)
  const child = spawn(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' })
  const status = await new Promise(resolve => {
    child.once('error', error => {
      console.error(`${command}: ${error.message}`)
      resolve(1)
    })
    child.once('exit', code => { resolve(code ?? 1) })
  })
  clearInterval(signs)
  console.log(`  ${status === 0 ? text.done(time()) : text.failed(time())}`)
  if (status !== 0) process.exit(status)
}

/** Runs a command to its end, and says whether it ended well. */
export function run (command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' })
  if (error) console.error(`${command}: ${error.message}`)
  return status === 0
}

// What `npm start` and `npm test` share. Plain JavaScript: it runs before anything is installed, on any Node from 20.19.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

/** Node 24 of the package `node`: Node-RED 5 needs it, whatever Node this machine has. */
export const node24 = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node')

/**
 * Keep memory small and flat under load: what lives as long as a commit stays young instead of filling the old generation, the
 * young one takes at most 72 MB, and the old one is collected once it has grown by 40 %. For `npm start`, which starts a
 * Node-RED of its own; the flags of anybody else's Node-RED are not ours to set. Measured in docs/performance.md.
 */
export const memoryFlags = ['--no-allocation-site-pretenuring', '--max-semi-space-size=24', '--heap-growing-percent=40']

/** Install what package-lock.json asks for, unless that was done already, and build. Ends the process when a step fails. */
export function prepare () {
  const installed = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installed) || statSync(installed).mtimeMs < statSync(join(root, 'package-lock.json')).mtimeMs) {
    run('npm', ['install', '--no-audit', '--no-fund'])
  }
  run('npm', ['run', '--silent', 'build'])
}

export function run (command, args, env = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env }, shell: process.platform === 'win32' })
  if (error) console.error(`${command}: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}

import { execFile } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { packageDir } from './node-red.ts'

const run = promisify(execFile)

/** Packs the package as it is built, into `folder`; resolves with the file. */
export async function pack (folder: string): Promise<string> {
  const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], { cwd: packageDir })
  const [packed] = JSON.parse(stdout) as Array<{ filename: string }>
  return join(folder, (packed?.filename ?? '').replace('@', '').replace('/', '-'))
}

/**
 * What npm needs in its environment to install sqlite3 without compiling it again: the binary that this repository's install made, in the
 * package's own prebuilt form; and to ask the registry only for what it does not have.
 * @param folder where to put it
 */
export async function offerBuiltSqlite3 (folder: string): Promise<Record<string, string>> {
  const sqlite3 = join(packageDir, 'node_modules', 'sqlite3')
  const { version } = JSON.parse(await readFile(join(sqlite3, 'package.json'), 'utf8')) as { version: string }
  const prebuilds = join(folder, 'prebuilds')
  await mkdir(prebuilds, { recursive: true })
  const name = `sqlite3-v${version}-napi-v6-${process.platform}-${process.arch}.tar.gz`
  await run('tar', ['-czf', join(prebuilds, name), '-C', sqlite3, 'build/Release/node_sqlite3.node'])
  return { npm_config_sqlite3_local_prebuilds: prebuilds, npm_config_prefer_offline: 'true' }
}

import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { packageDir } from '../helpers/node-red.ts'
import { openPage, openShell } from '../helpers/pages.ts'
import { offerBuiltSqlite3, pack } from '../helpers/tarball.ts'

const page = await openPage('windows-and-macos.md')
const { version } = JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8')) as { version: string }

test('the commands that are the same everywhere install the package and its commands', { timeout: 240_000 }, async t => {
  const shell = await openShell(t)
  Object.assign(shell.env, await offerBuiltSqlite3(shell.home))
  await mkdir(join(shell.home, '.node-red'))
  const tarball = await pack(join(shell.home, '.node-red'))
  const script = page.commands('The same everywhere').join('').replace(/platziverse-node-red-platziverse-\S+/, basename(tarball))
  const said = await shell.run(`cd .node-red\n${script}`)
  assert.deepEqual(said.trim().split('\n').slice(-2), [version, version])
})

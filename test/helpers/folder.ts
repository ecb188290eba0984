import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

const folders: string[] = []

// What is closed after its folder was removed may make its file anew: a broker does, whose file somebody deleted.
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
})

/** A folder of the test's own, removed after it. */
export async function temporaryFolder (t: Pick<TestContext, 'after'>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'platziverse-'))
  folders.push(folder)
  t.after(() => { t.after(() => rm(folder, { recursive: true, force: true, maxRetries: 5 })) })
  return folder
}

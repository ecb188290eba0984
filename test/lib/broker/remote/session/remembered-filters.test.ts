import assert from 'node:assert/strict'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { RememberedFilters } from '../../../../../lib/broker/remote/session/remembered-filters.ts'
import { temporaryFolder } from '../../../../helpers/folder.ts'

test('filters are remembered for each client id, and what cannot be read or written is not known', async t => {
  const folder = join(await temporaryFolder(t), 'a', 'b')
  const one = new RememberedFilters(folder, 'one/../x')
  const other = new RememberedFilters(folder, 'other')
  assert.equal(one.read(), undefined)
  one.write(new Set(['b/+', 'a/+']))
  other.write([])
  assert.deepEqual([one.read(), other.read(), new RememberedFilters(folder, 'one/../x').read()], [['a/+', 'b/+'], [], ['a/+', 'b/+']])
  const files = await readdir(folder)
  assert.equal(files.length, 2)
  for (const broken of ['', '{', '{"a":1}', '[1]']) {
    for (const file of files) await writeFile(join(folder, file), broken)
    assert.equal(one.read(), undefined, broken)
  }
  one.write(['c'])
  assert.deepEqual(one.read(), ['c'])
  const nowhere = new RememberedFilters(undefined, 'one')
  nowhere.write(['c'])
  assert.equal(nowhere.read(), undefined)
  // A file is where the folder should be.
  const wrote: Array<string | undefined> = []
  const blocked = new RememberedFilters(join(folder, files[0] as string), 'one', problem => { wrote.push(problem?.code) })
  blocked.write(['c'])
  assert.equal(blocked.read(), undefined)
  await rm(join(folder, files[0] as string))
  blocked.write(['c'])
  assert.deepEqual(blocked.read(), ['c'])
  assert.deepEqual(wrote, ['BROKER_FOLDER_UNWRITABLE', undefined])
})

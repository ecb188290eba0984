import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { formats } from '../lib/mapping/formats/formats.ts'
import { mostMetrics, mostReadings } from '../lib/mapping/formats/gathered.ts'
import { presets } from '../lib/mapping/presets/presets.ts'
import { RuleTable } from '../lib/mapping/rules/rule-table.ts'
import { said } from './fixtures/devices/recorded.ts'
import { packageDir } from './helpers/node-red.ts'

for (const page of ['docs/other-topics.md', 'docs/es/other-topics.md']) {
  describe(page, async () => {
    const text = await readFile(join(packageDir, page), 'utf8')
    const sections = text.split(/^#+ /m).map(section => [section.split('\n', 1)[0] as string, section] as const)

    test('stores of each example what it says', () => {
      let examples = 0
      for (const [heading, section] of sections) {
        let table = new RuleTable(presets.find(({ label }) => label === heading)?.rules ?? [])
        const lines = section.split('\n').filter(line => line.startsWith('    ')).map(line => line.slice(4))
        for (let i = 0; i < lines.length; i++) {
          const line = lines[i] as string
          if (line.startsWith('row ')) {
            table = new RuleTable([JSON.parse(line.slice(4))])
            assert.deepEqual(table.problems, [], line)
            continue
          }
          const expected: unknown[] = []
          while (lines[i + 1]?.startsWith('→')) {
            const stored = lines[++i]?.slice(1).trim()
            if (stored) expected.push(JSON.parse(stored))
          }
          const [topic = '', payload = ''] = line.split(' ← ')
          const read = table.read(topic, Buffer.from(payload.replaceAll('↵', '\n')), 0)
          assert.deepEqual(read?.ok ? read.readings.map(said) : read, expected, line)
          examples++
        }
      }
      assert.ok(examples > 30, `${examples}`)
    })

    test('has every format and every preset, with its topics', () => {
      for (const format of Object.keys(formats)) assert.match(text, new RegExp(`^\`${format}\`: `, 'm'))
      for (const { label, rules } of presets) {
        const [, section] = sections.find(([heading]) => heading === label) ?? assert.fail(label)
        for (const { topic } of rules) assert.ok(section.includes(`\`${topic}\``), `${label}: ${topic}`)
      }
    })

    test('has the limits', () => {
      const language = page.includes('/es/') ? 'es' : 'en'
      for (const limit of [mostMetrics, mostReadings]) assert.ok(text.includes(` ${limit.toLocaleString(language)} |`), `${limit}`)
    })
  })
}

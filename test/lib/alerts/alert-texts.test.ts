import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alertRule } from '../../../lib/alerts/rules/alert-rule.ts'
import { savedRuleDefaults, type SavedRule } from '../../../lib/alerts/rules/saved-rule.ts'
import type { Notice } from '../../../lib/alerts/telling.ts'
import { digestTexts, textsOf } from '../../../lib/alerts/texts/alert-texts.ts'
import { ofAgents, phrases, right, severityNames, wrong } from '../../../lib/alerts/texts/sentences.ts'
import { languages } from '../../../lib/texts/languages.ts'

/** In the time zone of the process, as the texts are. */
const since = new Date(2026, 10, 9, 8, 5).getTime()

function noticeOf (rule: Partial<SavedRule>, changes: Partial<Notice> = {}): Notice {
  const made = alertRule({ ...savedRuleDefaults, name: 'R', types: 'level', value: 90, ...rule }, 0)
  return { state: 'raised', rule: made, uuid: 'a-1', name: 'Boiler', type: 'level', value: 1234.5678, since, at: since + 3_600_000, repeat: 0, raised: ['R'], ...changes }
}

test('what is said of each change, in each language', () => {
  const cleared = { state: 'cleared' } as const
  for (const [rule, changes, en, es, pt] of [
    [{ severity: 'info' }, {}, 'Info: Boiler: level is 1,234.57, above 90, since 09/11/2026, 08:05 (R)', 'Información: Boiler: level es 1234,57, por encima de 90, desde 9/11/26, 8:05 (R)',
      'Informação: Boiler: level é 1.234,57, acima de 90, desde 09/11/2026, 08:05 (R)'],
    [{ condition: 'below' }, { name: null, repeat: 1 }, 'Warning, still: a-1: level is 1,234.57, below 90, since 09/11/2026, 08:05 (R)', 'Aviso, todavía: a-1: level es 1234,57, por debajo de 90, desde 9/11/26, 8:05 (R)',
      'Aviso, ainda: a-1: level é 1.234,57, abaixo de 90, desde 09/11/2026, 08:05 (R)'],
    [{ condition: 'outside', value: 2, high: 8 }, cleared, 'Over: Boiler: level is 1,234.57, within 2 to 8 again, wrong since 09/11/2026, 08:05 (R)', 'Terminó: Boiler: level es 1234,57, otra vez entre 2 y 8, mal desde 9/11/26, 8:05 (R)',
      'Terminou: Boiler: level é 1.234,57, outra vez entre 2 e 8, errado desde 09/11/2026, 08:05 (R)'],
    [{ condition: 'equals', value: 'off' }, { ...cleared, value: 'on' }, 'Over: Boiler: level is on, no longer off, wrong since 09/11/2026, 08:05 (R)', 'Terminó: Boiler: level es on, ya no off, mal desde 9/11/26, 8:05 (R)',
      'Terminou: Boiler: level é on, não mais off, errado desde 09/11/2026, 08:05 (R)'],
    [{ condition: 'changedFaster', value: 0.5, within: 90, severity: 'critical' }, {}, 'Critical: Boiler: level is 1,234.57, and changed by more than 0.5 within 90 s, since 09/11/2026, 08:05 (R)',
      'Crítico: Boiler: level es 1234,57 y cambió más de 0,5 en 90 s, desde 9/11/26, 8:05 (R)', 'Crítico: Boiler: level é 1.234,57 e mudou mais de 0,5 em 90 s, desde 09/11/2026, 08:05 (R)'],
    [{ condition: 'noNews', value: 60 }, { value: null }, 'Warning: Boiler: no news of level, since 09/11/2026, 08:05 (R)', 'Aviso: Boiler: sin noticias de level, desde 9/11/26, 8:05 (R)',
      'Aviso: Boiler: sem notícias de level, desde 09/11/2026, 08:05 (R)'],
    [{ condition: 'noNews', value: 60, types: '' }, { ...cleared, type: '', value: null }, 'Over: Boiler: news again, wrong since 09/11/2026, 08:05 (R)', 'Terminó: Boiler: otra vez hay noticias, mal desde 9/11/26, 8:05 (R)',
      'Terminou: Boiler: há notícias outra vez, errado desde 09/11/2026, 08:05 (R)'],
    [{ condition: 'agentGone' }, { type: '', value: null }, 'Warning: Boiler is gone, since 09/11/2026, 08:05 (R)', 'Aviso: Boiler se fue, desde 9/11/26, 8:05 (R)', 'Aviso: Boiler saiu, desde 09/11/2026, 08:05 (R)']
  ] as Array<[Partial<SavedRule>, Partial<Notice>, string, string, string]>) assert.deepEqual(textsOf(noticeOf(rule, changes)), { en, es, pt })
  assert.match(textsOf(noticeOf({}), true).pt, /^Teste: Aviso: Boiler: level é /)
})

test('a digest says how many were raised and how many are over, and names the first of them', () => {
  const notices = [...Array.from({ length: 23 }, (_, i) => noticeOf({}, { name: `B${i}` })), noticeOf({}, { state: 'cleared' })]
  for (const [language, first, last] of [
    ['en', '23 alerts raised, 1 over:', '… and 4 more'], ['es', '23 alertas nuevas, 1 terminadas:', '… y 4 más'], ['pt', '23 alertas novos, 1 terminados:', '… e mais 4']
  ] as const) {
    const lines = digestTexts(notices)[language].split('\n')
    assert.deepEqual([lines.length, lines[0], lines.at(-1)], [22, first, last])
    assert.match(lines[20] ?? '', /^- .*B19: /)
  }
  assert.deepEqual(digestTexts(notices.slice(-20)).en.split('\n').length, 21)
})

test('each sentence says the same in each language, with the same gaps', () => {
  const sentences = [wrong, right, ofAgents, phrases].flatMap(some => Object.values(some))
  for (const sentence of [...sentences, ...Object.values(severityNames)]) {
    const gaps = languages.map(language => (sentence[language].match(/\{\d\}/g) ?? []).join())
    assert.deepEqual(new Set(gaps).size, 1, sentence.en)
  }
  for (const language of languages) assert.equal(new Set(sentences.map(sentence => sentence[language])).size, sentences.length, 'no two are the same')
})

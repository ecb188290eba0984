import { post } from '../../shared/editor/form.ts'
import { textIfAny } from '../../shared/editor/red.ts'
import type { Refusal } from '../../shared/refusal.ts'
import type { DatabaseConfig, DatabaseCredentials } from '../config.ts'
import { fieldNames, fieldOf, text, type DatabaseNode } from './form.ts'

/** See admin.ts. */
type Answer = Good | Refusal

interface Good {
  ok: true
  server: string
  tables: 'ready' | 'older' | 'none'
  timescale?: { version: string, metrics: 'hypertable' | 'next' | 'forbidden' | 'plain', compressedAfter?: number }
}

/** The button that asks the runtime whether the database can be used with what the form says now. */
export function prepareTest (node: DatabaseNode): void {
  const button = $('#platziverse-database-test')
  const icon = button.find('i')
  const shown = $('#platziverse-database-answer')
  const usual = icon.attr('class') ?? ''
  /** Counts what was asked, so that an answer to what the form no longer says is not shown. */
  let asked = 0

  const clear = () => {
    asked++
    button.prop('disabled', false)
    icon.attr('class', usual)
    shown.hide()
  }
  const show = (good: boolean, sentence: string, detail?: string) => {
    const mark = $('<i aria-hidden="true">').addClass(good ? 'fa fa-check-circle' : 'fa fa-exclamation-circle')
    shown.empty().attr('class', `form-tips platziverse-database-${good ? 'good' : 'bad'}`)
      .append($('<div>').append(mark, document.createTextNode(` ${sentence}`)))
      .append(detail ? $('<div class="platziverse-database-detail">').text(detail) : [])
      .show()
    shown[0]?.scrollIntoView({ block: 'nearest' })
  }
  button.on('click', async () => {
    clear()
    const number = asked
    button.prop('disabled', true)
    icon.attr('class', 'fa fa-spinner fa-spin')
    const { good, sentence, detail } = await ask(node)
    if (number !== asked) return
    clear()
    show(good, sentence, detail)
  })
  $('#platziverse-database-connection-tab').on('input change', clear)
  clear()
}

async function ask (node: DatabaseNode): Promise<{ good: boolean, sentence: string, detail?: string }> {
  const body = { id: node.id, config: currentConfig(), credentials: currentCredentials() }
  try {
    const answer = await post<Answer>('database/test', body)
    if (answer.ok) return { good: true, sentence: inWords(answer) }
    const { code, detail, help } = answer
    return { good: false, sentence: textIfAny(text, `platziverse-database.failure.${code}`) ?? help, detail: `${code}: ${detail}` }
  } catch (failed) {
    const { status = 0 } = failed as { status?: number }
    const why = status === 401 || status === 403 ? 'forbidden' : 'unreachable'
    return { good: false, sentence: text(`platziverse-database.test.${why}`) }
  }
}

function inWords ({ server, tables, timescale }: Good): string {
  const sentence = text('platziverse-database.test.good', { server, tables: text(`platziverse-database.tables.${tables}`) })
  if (timescale === undefined) return sentence
  const { version, metrics, compressedAfter } = timescale
  const kind = metrics === 'hypertable' && compressedAfter === undefined ? 'uncompressed' : metrics
  return [sentence, text(`platziverse-database.timescale.${kind}`, { version })].join(' ')
}

/** What the form says, saved or not. */
function currentConfig (): Partial<DatabaseConfig> {
  return Object.fromEntries(fieldNames.map(name => {
    const field = fieldOf(name)
    if (name === 'secure') return [name, field.prop('checked') === true]
    const value = String(field.val() ?? '').trim()
    // No node is chosen.
    return [name, value === '_ADD_' ? '' : value]
  }))
}

function currentCredentials (): DatabaseCredentials {
  return Object.fromEntries((['user', 'password', 'url'] as const).map(name => [name, String(fieldOf(name).val() ?? '')]))
}

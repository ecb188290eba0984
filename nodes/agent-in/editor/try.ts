import type { Tried } from '../../../lib/mapping/rules/tried.ts'
import type { TopicRule } from '../../../lib/mapping/topic-rule.ts'
import { valueOf } from '../../shared/editor/fields.ts'
import { post } from '../../shared/editor/form.ts'
import { textsOf } from '../../shared/editor/red.ts'

const text = textsOf('agent-in')

interface Answer { messages: Tried[], problems: string[] }

/** The button that shows what the rows make of the messages that the broker saw last. @param rules those in the form */
export function prepareTry (rules: () => TopicRule[]): void {
  const result = $('#agent-in-tried').hide()
  $('#agent-in-try').on('click', () => {
    void (async () => {
      result.show().text(text('agent-in.try.looking'))
      try {
        show(result, await post<Answer>('topics/try', { broker: valueOf($('#platziverse-broker-select')), rules: rules() }))
      } catch (error) {
        const { detail, help } = (error as JQuery.jqXHR<{ detail?: string, help?: string } | undefined>).responseJSON ?? {}
        result.text(detail === undefined ? text('agent-in.try.failed') : `${detail} ${help ?? ''}`)
      }
    })()
  })
}

/** What strangers published is shown as text alone. */
function show (result: JQuery, { messages, problems }: Answer): void {
  result.empty()
  for (const problem of problems) result.append($('<div class="agent-in-refused">').text(problem))
  // First those that a row reads.
  const read = messages.filter(({ lines }) => lines !== undefined)
  const unread = messages.filter(({ lines }) => lines === undefined)
  for (const { topic, payload, lines = [], detail } of read) {
    const item = $('<div>').append($('<b>').text(topic), $('<span>').text(` ${payload}`)).appendTo(result)
    const shown = lines.length === 0 && detail === undefined ? [text('agent-in.try.nothing')] : lines
    for (const line of shown) item.append($('<div>').text(`→ ${typeof line === 'string' ? line : `${line.uuid}: ${text(`agent-in.output.${line.is}`)}`}`))
    if (detail !== undefined) item.append($('<div class="agent-in-refused">').text(detail))
  }
  if (unread.length > 0) result.append($('<div>').text(text('agent-in.try.unread', { topics: unread.map(({ topic }) => topic).join(', ') })))
  if (messages.length === 0) result.append($('<div>').text(text('agent-in.try.none')))
}

import { post } from '../../shared/editor/form.ts'
import type { Refusal } from '../../shared/refusal.ts'
import { text } from './words.ts'

/** Asks an endpoint of the sidebar, see admin.ts. @throws Error that says to people what went wrong */
export async function ask<Answer extends object> (path: 'look' | 'disconnect' | 'clear' | 'forget', body: object): Promise<Answer> {
  try {
    return await post<Answer>(`sidebar/${path}`, body)
  } catch (failed) {
    throw new Error(whyFailed(failed as { status?: number, responseJSON?: Partial<Refusal> }))
  }
}

function whyFailed ({ status = 0, responseJSON }: { status?: number, responseJSON?: Partial<Refusal> }): string {
  if (status === 401 || status === 403) return text('platziverse-sidebar.failure.forbidden')
  const { detail, help } = responseJSON ?? {}
  return detail === undefined ? text('platziverse-sidebar.failure.unreachable') : `${detail} ${help ?? ''}`
}

/** One name; or a list, and then each row of the answer says which of them it is of. */
export type Names = string | readonly string[]

/** Series by their agents and types; absent: all. */
export interface Choice { uuid?: Names | undefined, type?: Names | undefined }

/** Most names in a list. */
export const mostNames = 1_000

/** Most characters of a name in any database; one character may be two of a string. */
const longestName = 255

/** Whether a database can have a name like this. PostgreSQL takes no NUL. */
export function canBeName (text: string): boolean {
  const isShort = text.length <= longestName || (text.length <= 2 * longestName && [...text].length <= longestName)
  return isShort && !text.includes('\0')
}

/** What a row says of its series. */
export interface Labels { uuid?: string, name?: string | null, type?: string }

export function listOf (names: Names): readonly string[] {
  return typeof names === 'string' ? [names] : names
}

/** Makes what each row says of its series: what the choice leaves open. */
export function labelsOf ({ uuid, type }: Choice): (series: { uuid: string, name: string | null, type: string }) => Labels {
  const [saysAgent, saysType] = [typeof uuid !== 'string', typeof type !== 'string']
  return series => ({
    ...saysAgent ? { uuid: series.uuid, name: series.name } : {},
    ...saysType ? { type: series.type } : {}
  })
}

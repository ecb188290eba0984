/** What a table makes of a publication, for somebody to look at. */
export interface Tried {
  topic: string
  /** The beginning of the payload, as text. */
  payload: string
  /** A line for each message that would be stored; undefined: no row reads the topic. */
  lines?: string[]
  /** Why it is rejected, in part or as a whole. */
  detail?: string
}

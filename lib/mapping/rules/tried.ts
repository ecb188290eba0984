/** What a table makes of a publication, for somebody to look at. */
export interface Tried {
  topic: string
  /** The beginning of the payload, as text. */
  payload: string
  /** A line for each message that would be stored, or whose presence it tells; undefined: no row reads the topic. */
  lines?: Array<string | TriedPresence>
  /** Why it is rejected, in part or as a whole. */
  detail?: string
}

export interface TriedPresence { uuid: string, is: 'connected' | 'disconnected' }

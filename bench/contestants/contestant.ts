/** Where a contestant runs: everything in it is fresh. */
export interface Place {
  folder: string
  /** The contestant's SQLite file; not there yet. */
  database: string
  /** A free port for the broker. */
  port: number
  /** A free port for Node-RED's editor. */
  editorPort: number
}

/** A Node.js process: what comes after `node`. */
export interface Command { args: string[], cwd: string }

export interface Contestant {
  id: string
  name: string
  /** What a PUBACK says. d2 has no clients at all. */
  acknowledges: 'on arrival' | 'once stored' | 'nothing'
  /** Write what the contestant needs into `place.folder` and say how to start it. */
  prepare (place: Place): Promise<Command>
  /** SQL that counts the rows; absent: it stores nothing. */
  rows?: string
  /** SQL that says the same at no cost, asked again and again until all is stored. */
  progress?: string
}

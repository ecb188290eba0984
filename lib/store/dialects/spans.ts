/** What a series has from `from` (UTC ms) to before `to`. */
export interface Span { seriesId: number, from: number, to: number }

/** The key of a row that a series has once for a time (UTC ms). */
export interface Key { seriesId: number, ts: number }

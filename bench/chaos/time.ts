/** UTC, of ms since 1970. */
export const timeOf = (ms: number): string => new Date(ms).toISOString().slice(11, 23)

/** The most days that metrics can be kept for, other than for ever: further back than any clock was right, and near enough for a date. */
export const mostDays = 36_500

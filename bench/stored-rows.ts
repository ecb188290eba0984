/** How many metrics the store's SQLite file holds. */
export const storedInFile = 'select count(*) as n from metrics'

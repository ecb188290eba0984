const tables = {
  ready: 'tables: ready',
  older: 'tables: of an older version.\nNode-RED brings them up to date when it opens the database, and so does "platziverse-store migrate". That cannot be undone: make a copy before.',
  none: 'no tables yet.\nNode-RED makes them when it opens the database, and so does "platziverse-store migrate".'
}

export const english = {
  help: `platziverse-store: look after a Platziverse database

Usage: platziverse-store <command> [options]

  status                   what is in the database
  migrate                  bring its tables to this version
  migrate --to <address>   copy everything into another database, and compare the counts; stop Node-RED first.
                           After an interruption, run it again: it continues where it stopped
  export <file>            write everything into a file of JSON lines, or, when its name ends with .csv, the metrics
  import <file>            read such a file; what is already there stays. It continues like migrate.
                           For both, - as the file is standard output or input

  --database <address>     a SQLite file, postgres://user:password@host/database, mysql://… or mariadb://…;
                           better in the environment: PLATZIVERSE_DATABASE; default platziverse.sqlite
  --to <address>           the other database; better in the environment: PLATZIVERSE_TO
  --tls                    use TLS with servers
  --ca <file>              … and trust the authority in this PEM file
  --resume                 export: continue a file that was not finished
  --force                  export: replace a file that is there
  --quiet                  show no progress
  --lang <en|es|pt>        the language of what people read; default: that of the environment (LANG)
  --version                print the version
  --help                   print this

Exits with 0; with 1 when something failed, with 2 when an option is wrong.`,

  status: (server: string, state: 'ready' | 'older' | 'none') => `${server}, ${tables[state]}`,
  newest: 'newest',
  migrated: 'The tables are those of this version.',
  written: (lines: number) => `${lines} lines written.`,
  read: (lines: number, fresh: number) => `${lines} lines read, ${fresh} metrics were new.`,
  rows: (rows: number) => `${rows} rows`,
  from: 'from',
  to: 'to',

  timescaleMissing: 'not there',
  hypertable: (version: string) => `${version}, hypertable, not compressed`,
  compressed: (version: string, days: number) => `${version}, hypertable, compressed after ${days} days`,
  apache: (version: string) => `${version}, hypertable, not compressed: its edition under the Apache licence cannot`,
  next: (version: string) => `${version}, metrics becomes a hypertable before the first ones are written`,
  forbidden: (version: string) => `${version} is there, but this user may not make metrics a hypertable`,
  plain: (version: string) => `${version} is there, but metrics is a plain table: it has metrics already`,

  /** What the errors of a running store end with, after a blank: this command has ended. */
  keepsTrying: ['The store keeps trying.', 'Nothing is lost; the store keeps trying.']
}

export type Texts = typeof english

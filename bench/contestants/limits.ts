import { fileURLToPath } from 'node:url'
import type { Contestant, Place } from './contestant.ts'

/** (d) What this machine can do at all: the same parts without Node-RED and without this package. */

export const ingest: Contestant = {
  id: 'd1',
  name: 'limit: bare aedes, nothing stored',
  acknowledges: 'on arrival',
  prepare: async place => script('ingest', place)
}

export const inserts: Contestant = {
  id: 'd2',
  name: 'limit: bare json_each inserts, no broker',
  acknowledges: 'nothing',
  rows: 'select count(*) as n from metrics',
  prepare: async place => script('inserts', place)
}

export const plainScript: Contestant = {
  id: 'd3',
  name: 'limit: plain script, both',
  acknowledges: 'once stored',
  rows: 'select count(*) as n from metrics',
  prepare: async place => script('plain-script', place)
}

function script (name: string, place: Place): { args: string[], cwd: string } {
  return { args: [fileURLToPath(new URL(`limit/${name}.ts`, import.meta.url)), String(place.port), place.database], cwd: place.folder }
}

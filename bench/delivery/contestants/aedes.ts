import { program, type Broker } from './contestant.ts'

/** (e) The engine by itself, with its defaults: no users, no rules, no limits. */
export const bareAedes: Broker = { id: 'e', name: 'bare aedes', version: 4, prepare: program('aedes') }

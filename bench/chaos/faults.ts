import type { Deployment } from './deployments.ts'

/** What a fault befalls. One thing has one fault at a time; several things may have theirs at once. */
export type Thing = 'worker' | 'broker' | 'database' | 'network'

export interface Fault {
  on: Thing
  about: string
  /** Seconds, least and most; absent: it is over as soon as it has happened. */
  lasts?: readonly [number, number]
  /** Where it can happen; absent: wherever there is such a thing. */
  where? (deployment: Deployment): boolean
}

const isServer = ({ database }: Deployment): boolean => database !== 'sqlite'
const isEmbedded = ({ broker }: Deployment): boolean => broker === 'embedded'

export const faults = {
  'worker-kill': { on: 'worker', lasts: [0.5, 4], about: 'SIGKILL of a Node-RED, which is started again; half of them once more, perhaps while it starts' },
  'worker-freeze': { on: 'worker', lasts: [1, 8], about: 'SIGSTOP of a Node-RED, then SIGCONT' },
  'clock-step': { on: 'worker', lasts: [2, 8], about: 'the clock of a Node-RED is a minute to twelve hours off, and then right again' },
  'deploy-full': { on: 'worker', about: 'a full deploy' },
  'deploy-flows': { on: 'worker', about: 'a deploy of modified flows' },
  'deploy-nodes': { on: 'worker', about: 'a deploy of modified nodes' },
  'deploy-restart': { on: 'worker', about: 'the flows are restarted' },
  'listener-gone': { on: 'worker', lasts: [1, 5], about: 'a listener of the broker is removed under load, and comes back', where: isEmbedded },
  'broker-stop': { on: 'broker', lasts: [0.5, 3], about: 'SIGTERM of a Mosquitto, which is started again', where: ({ broker }) => broker === 'mosquitto' },
  'broker-kill': { on: 'broker', lasts: [0.5, 3], about: 'SIGKILL of a RabbitMQ, which is started again', where: ({ broker }) => broker === 'rabbitmq' },
  'broker-freeze': { on: 'broker', lasts: [1, 8], about: 'SIGSTOP of a broker of its own, then SIGCONT' },
  'database-kill': { on: 'database', lasts: [0, 3], about: 'SIGKILL of every process of the database server, which is started again', where: isServer },
  'database-freeze': { on: 'database', lasts: [1, 12], about: 'SIGSTOP of every process of the database server, then SIGCONT', where: isServer },
  'database-lock': { on: 'database', lasts: [1, 8], about: 'another program locks the database, or its table of metrics' },
  'disk-full': { on: 'database', lasts: [2, 8], about: 'the disk of the database has no room' },
  'cut': { on: 'network', about: 'connections are cut in the middle of a packet' }
} as const satisfies Record<string, Fault>

export type FaultName = keyof typeof faults

export const isFault = (name: string): name is FaultName => name in faults

export const faultOf = (name: FaultName): Fault => faults[name]

/** Those that can happen to a deployment. */
export function faultsOf (deployment: Deployment): FaultName[] {
  return (Object.keys(faults) as FaultName[]).filter(name => {
    const { on, where } = faultOf(name)
    return (on !== 'broker' || deployment.broker !== 'embedded') && where?.(deployment) !== false && deployment.without?.includes(name) !== true
  })
}

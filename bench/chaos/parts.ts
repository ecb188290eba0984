import type { Deployment } from './deployments.ts'

/** What goes on all the time beside honest publishers and persistent subscribers, which are always there. */
export const parts = ['guests', 'storms', 'floods', 'large'] as const
export type Part = typeof parts[number]

export const isPart = (name: string): name is Part => parts.some(part => part === name)

/** Floods and large payloads try the guards of the broker inside Node-RED; another one has its own. */
export function partsOf ({ broker }: Deployment): Part[] {
  return parts.filter(part => broker === 'embedded' || part === 'guests' || part === 'storms')
}

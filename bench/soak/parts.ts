/** What happens at once, beside honest publishers and persistent subscribers, which are always there. */
export const soakParts = ['guests', 'storms', 'deploys', 'floods', 'large', 'lock', 'kill'] as const
export type SoakPart = typeof soakParts[number]

export const isSoakPart = (name: string): name is SoakPart => soakParts.some(part => part === name)

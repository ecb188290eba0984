import type { Query } from './parse.ts'

/**
 * What a question asks for, and with it how the store is to be read: to write all that it holds back takes longer than most answers.
 * @returns `agents`: when they were heard too; `metrics`: neither that nor newest values; `newest`: both
 */
export function asksFor ({ query }: Query): 'agents' | 'metrics' | 'newest' {
  switch (query) {
    case 'agents':
    case 'connectedAgents':
    case 'agentsOf':
    case 'agent': return 'agents'
    case 'series': return 'metrics'
    case 'types':
    case 'latest':
    case 'latestOfAll':
    // Whether a series is of texts is known by its newest value.
    case 'buckets':
    case 'typeBuckets': return 'newest'
  }
}

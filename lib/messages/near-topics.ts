import { RecentMap } from '../recent-map.ts'
import { kindOf, topics, type AgentTopic } from './topics.ts'

const longest = 22
const shortest = 10
/** Foreign topics that are remembered; one that is forgotten is looked at again. */
const mostRemembered = 1_000
/** Foreign topics that are looked at in one second: comparing costs more than a lookup, and a stranger can invent topics. */
const mostLooks = 100

/** Finds topics that are nearly one of the three, each once. */
export class NearTopics {
  #seen = new RecentMap<true>(mostRemembered)
  #second = 0
  #looks = 0

  /** @returns which of the three topics was probably meant */
  look (topic: string): AgentTopic | undefined {
    if (topic.length < shortest || topic.length > longest || this.#seen.get(topic) === true) return undefined
    const second = Math.floor(performance.now() / 1_000)
    if (second !== this.#second) {
      this.#second = second
      this.#looks = 0
    }
    if (++this.#looks > mostLooks) return undefined
    this.#seen.set(topic, true)
    return nearest(topic)
  }
}

/** The one of the three topics from which `topic` differs by upper case, slashes at its ends, or at most two letters. */
export function nearest (topic: string): AgentTopic | undefined {
  if (kindOf(topic) !== undefined) return undefined
  const plain = topic.toLowerCase().replace(/^[/\s]+|[/\s]+$/g, '')
  return Object.values(topics).find(known => distance(plain, known) <= 2)
}

/** How many letters to add, remove or replace to turn one text into the other (Levenshtein). */
function distance (a: string, b: string): number {
  let before = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      row.push(Math.min((before[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (before[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    before = row
  }
  return before[b.length] ?? 0
}

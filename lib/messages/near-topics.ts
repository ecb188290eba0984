import { kindOf, topics, type AgentTopic } from './topics.ts'

const longest = 22
const shortest = 10
/** Foreign topics that are remembered; beyond, they are looked at anew. */
const mostRemembered = 1_000
/** Foreign topics that are looked at within a second: comparing costs more than a lookup, and a stranger can invent topics. */
const mostLooks = 100

/** Finds topics that are nearly one of the three. Each is told once. */
export class NearTopics {
  #seen = new Set<string>()
  #second = 0
  #looks = 0

  /** @returns which of the three topics was probably meant */
  look (topic: string): AgentTopic | undefined {
    if (topic.length < shortest || topic.length > longest || this.#seen.has(topic)) return undefined
    const second = Math.floor(performance.now() / 1_000)
    if (second !== this.#second) {
      this.#second = second
      this.#looks = 0
    }
    if (++this.#looks > mostLooks) return undefined
    if (this.#seen.size >= mostRemembered) this.#seen.clear()
    this.#seen.add(topic)
    return nearest(topic)
  }
}

/** The one of the three topics that differs from `topic` by upper case, slashes at its ends, or at most two letters. */
export function nearest (topic: string): AgentTopic | undefined {
  if (kindOf(topic) !== undefined) return undefined
  const plain = topic.toLowerCase().replace(/^[/\s]+|[/\s]+$/g, '')
  return Object.values(topics).find(known => distance(plain, known) <= 2)
}

/** Letters to add, take away or exchange to make one text of another (Levenshtein). */
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

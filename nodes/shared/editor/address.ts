import { shared } from './red.ts'
import { isVariable } from './validate.ts'

/** Whether a node can connect to it, or it is a variable. */
export function isAddress (url: string): boolean {
  return isVariable(url) || /^(mqtts?|wss?):\/\/[^\s/]+/i.test(url)
}

/** What is wrong with a variable in an address: Node-RED replaces one that is the whole property, and no other. */
export function variableProblem (url: string, label: string): string | undefined {
  return /\$\{/.test(url) && !isVariable(url.trim()) ? shared('shared.validation.variable', { label }) : undefined
}

/** Such as "192.0.2.1:1883": no credentials that somebody wrote into the address. */
export function hostOf (url: string): string {
  return /^\w+:\/\/(?:[^@/]*@)?([^/?#]+)/.exec(url)?.[1] ?? ''
}

/** Whether what is said there travels in clear text. */
export function isPlain (url: string): boolean {
  return /^(mqtt|ws):/i.test(url)
}

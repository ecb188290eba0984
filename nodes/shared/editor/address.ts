/** Whether a node can connect to it; also with `${ENV}` inside. */
export function isAddress (url: string): boolean {
  return /^(mqtts?|wss?):\/\/[^\s/]+/i.test(url) || /\$\{[^}]+\}/.test(url)
}

/** Such as "192.0.2.1:1883": no credentials that somebody wrote into the address. */
export function hostOf (url: string): string {
  return /^\w+:\/\/(?:[^@/]*@)?([^/?#]+)/.exec(url)?.[1] ?? ''
}

/** Whether what is said there travels in clear text. */
export function isPlain (url: string): boolean {
  return /^(mqtt|ws):/i.test(url)
}

/** The origin of what a client published, as the subscribers in this process receive it. */
export function clientOrigin (clientId: string): string {
  return `client:${clientId}`
}

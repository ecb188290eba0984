import { isIPv6 } from 'node:net'

/**
 * What counts as one client's address: of IPv6 the /64 that one client usually has to itself; IPv4 in IPv6 as IPv4.
 * Anything that is not an address stands for itself, cut to 64 characters.
 */
export function networkOf (address: string | undefined): string {
  const bare = (address ?? 'unknown').replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '').slice(0, 64)
  if (!isIPv6(bare)) return bare
  const [head = [], tail = []] = bare.split('::').map(part => part === '' ? [] : part.split(':'))
  const zeros = Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0')
  const groups = [...head, ...zeros, ...tail].slice(0, 4)
  return `${groups.map(group => parseInt(group, 16).toString(16)).join(':')}::/64`
}

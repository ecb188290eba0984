/** A control packet: first byte, remaining length, body. */
export function packet (first: number, ...body: Buffer[]): Buffer {
  const bytes = Buffer.concat(body)
  return Buffer.concat([Buffer.of(first), variable(bytes.length), bytes])
}

/** A variable byte integer. */
export function variable (value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  do {
    bytes.push(rest % 128 + (rest >= 128 ? 128 : 0))
    rest = Math.floor(rest / 128)
  } while (rest > 0)
  return Buffer.from(bytes)
}

/** A text or binary data, with its length in front. */
export function text (value: string | Buffer): Buffer {
  const bytes = Buffer.from(value as string)
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes])
}

/** Repeatable chance: mulberry32. */
export function chance (seed: number): (below: number) => number {
  return below => {
    seed = seed + 0x6d2b79f5 | 0
    let mixed = Math.imul(seed ^ seed >>> 15, 1 | seed)
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed
    return ((mixed ^ mixed >>> 14) >>> 0) % below
  }
}

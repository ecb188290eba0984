/** Bytes of UTF-8 that a text of a packet can have: its length is two bytes [MQTT-1.5.3]. */
const longest = 65_535

/** Whether MQTT cannot carry a text. */
export function isTooLong (text: string): boolean {
  // A UTF-16 unit takes one to three bytes.
  return text.length > longest || (text.length > longest / 3 && new TextEncoder().encode(text).length > longest)
}

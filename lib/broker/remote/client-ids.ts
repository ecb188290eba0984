import { hash } from 'node:crypto'

/** Bytes of a client id that every server has to accept [MQTT-3.1.3-5]; some accept no more. */
const acceptedByAll = 23

/**
 * The client id of another connection of a worker, always the same one: `<client id>-<purpose>`. Where that would be longer than what every broker accepts, and the
 * worker's own is not, its end is a hash: `workshop-line-02` has `workshop-line-02-topics`, and `workshop-line-0002` `worksho-f41ac16e-topics`.
 * @param purpose at most 12 characters
 */
export function clientIdBeside (clientId: string, purpose: string): string {
  const plain = `${clientId}-${purpose}`
  if (Buffer.byteLength(plain) <= acceptedByAll || Buffer.byteLength(clientId) > acceptedByAll) return plain
  const end = `-${hash('sha1', clientId).slice(0, 8)}-${purpose}`
  let start = ''
  // By characters: a part of one would be no UTF-8.
  for (const character of clientId) {
    if (Buffer.byteLength(start + character + end) > acceptedByAll) break
    start += character
  }
  return start + end
}

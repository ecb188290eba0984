export interface MqttAddress {
  /** Without the login. */
  url: string
  /** Decoded: `%3A` is a colon. */
  username?: string
  password?: string
}

/**
 * Separates the login from an address such as `mqtts://user:p%3Ass@host`: MQTT.js decodes it before it looks for the colon between the two.
 * A text that is no address stays as it is.
 */
export function readMqttAddress (address: string): MqttAddress {
  if (!URL.canParse(address)) return { url: address }
  const url = new URL(address)
  const { username, password } = url
  if (username === '' && password === '') return { url: address }
  url.username = url.password = ''
  return { url: url.href, ...username === '' ? {} : { username: decoded(username) }, ...password === '' ? {} : { password: decoded(password) } }
}

/** A percent sign that begins nothing stands for itself. */
function decoded (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Most characters of an address that are shown. */
const mostShown = 200

/** An address as messages say it, without what may be a login. */
export function shownAddress (address: string): string {
  return JSON.stringify(address.slice(address.lastIndexOf('@') + 1).slice(0, mostShown))
}

import { PlatziverseError } from '../../lib/errors.ts'
import { isText } from '../../lib/messages/metrics.ts'
import { topicProblem } from '../../lib/messages/topic-template.ts'
import type { MessageProperties } from '../../lib/mqtt/message-properties.ts'
import { isTooLong } from '../../lib/mqtt/text.ts'
import { wholeNumber } from '../shared/red.ts'
import { checkVariables } from '../shared/variables.ts'
import { longestExpiry, type AgentOutConfig } from './config.ts'

/** As agents say it of theirs. */
const json: MessageProperties = { contentType: 'application/json', isText: true }

/**
 * Makes the function that says what goes out with a payload: always the same objects, so that each is encoded once.
 * @throws PlatziverseError VARIABLE_UNSET, NODE_PROPERTY_INVALID
 */
export function propertiesBy (config: AgentOutConfig): (payload: unknown) => MessageProperties | undefined {
  checkVariables(config, ['contentType', 'responseTopic'])
  const { contentType, responseTopic, userProperties } = config
  const expiry = Math.min(wholeNumber(config.expiry, 0), longestExpiry)
  const given: MessageProperties = {
    ...expiry > 0 && { messageExpiry: expiry },
    ...contentType !== '' && { contentType: checked('contentType', contentType) },
    ...responseTopic !== '' && { responseTopic: checkedTopic(responseTopic) },
    ...userProperties.length > 0 && { userProperties: userProperties.map(({ name, value }): [string, string] => [checked('userProperties', name), checked('userProperties', value)]) }
  }
  const ofJson = { ...json, ...given }
  const ofOthers = Object.keys(given).length > 0 ? given : undefined
  return payload => payload === undefined || typeof payload === 'string' || Buffer.isBuffer(payload) ? ofOthers : ofJson
}

/** A text as MQTT can carry it. [MQTT-1.5.4-1] [MQTT-1.5.4-2] */
function checked (property: keyof AgentOutConfig, text: string): string {
  if (isText(text) && !isTooLong(text)) return text
  throw new PlatziverseError('NODE_PROPERTY_INVALID', `The property "${property}" has a text that MQTT cannot carry: with a NUL, with half a surrogate pair, or of more than 65,535 bytes.`)
}

/** [MQTT-3.3.2-14] */
function checkedTopic (topic: string): string {
  if (topicProblem(topic) === undefined) return checked('responseTopic', topic)
  throw new PlatziverseError('NODE_PROPERTY_INVALID', 'The property "responseTopic" is no topic that can be published to: it has a wildcard, a NUL, or more than 65,535 bytes.')
}

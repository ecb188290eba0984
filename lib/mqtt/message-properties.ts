/** What a publisher says of a message beside its topic and payload, in MQTT 5. Plain data, as flows see it. */
export interface MessageProperties {
  /** Of the payload, such as a MIME type. */
  contentType?: string
  /** Where an answer is expected. */
  responseTopic?: string
  /** What the answer is to carry, so that it is known as one. */
  correlationData?: Buffer
  /** Names and values in the order in which they were given; a name may come several times. */
  userProperties?: Array<[name: string, value: string]>
  /** Whether the publisher says that the payload is UTF-8 text. */
  isText?: boolean
  /** Seconds for which the message is worth delivering, counted from its receipt. */
  messageExpiry?: number
}

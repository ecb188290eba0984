/** The three kinds of message, by the topic that carries them. Public: never changed. */
export const topics = {
  connected: 'agent/connected',
  disconnected: 'agent/disconnected',
  message: 'agent/message'
} as const

export type MessageKind = keyof typeof topics
export type AgentTopic = typeof topics[MessageKind]

const kinds = new Map<string, MessageKind>(
  Object.entries(topics).map(([kind, topic]) => [topic, kind as MessageKind])
)

/** The kind of message that `topic` carries, or undefined for any other topic. */
export function kindOf (topic: string): MessageKind | undefined {
  return kinds.get(topic)
}

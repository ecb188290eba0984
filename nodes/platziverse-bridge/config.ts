/** What a platziverse-bridge node saves; user and password are credentials. Numbers may be text: the editor and `${ENV}` give text. */
export interface BridgeConfig {
  name: string
  /** Id of the platziverse-broker that the bridge belongs to. */
  broker: string
  /** Address of the other broker, such as mqtts://192.0.2.1:8883. */
  url: string
  /** The tls-config node for mqtts and wss; empty: the authorities that Node knows. */
  tls: string
  /** Whether a login was saved, without its secrets: a node that lost it with the credentials does not connect without one. */
  hasLogin: boolean
  topics: SavedTopic[]
  /** The user of the own broker as whom messages of the other one are published; empty: nobody. */
  localUser: string
  /** Empty: made of the host's name and the node's id. */
  clientId: string
  /** Whether the other broker forgets the bridge when it disconnects. */
  clean: boolean
  /** Of MQTT; auto: 5, or 3.1.1 where the other broker does not speak it. */
  version: 'auto' | '5' | '3.1.1'
  /** Whether to connect with the bridge bit of the protocol level, with MQTT 3.1.1. */
  bridgeBit: boolean
  /** Seconds; 0: none. */
  keepalive: number | string
  /** The most messages that wait for the other broker, and their megabytes. */
  buffer: number | string
  megabytes: number | string
  /** Seconds between two statistics on the output; 0: none. */
  statistics: number | string
}

/** A row of the table: `localPrefix + filter` here is `remotePrefix + filter` there. */
export interface SavedTopic {
  direction: 'in' | 'out' | 'both'
  filter: string
  qos: number | string
  localPrefix: string
  remotePrefix: string
}

/** What a row has that a program wrote down in part. */
export const topicDefaults: SavedTopic = { direction: 'out', filter: '', qos: 1, localPrefix: '', remotePrefix: '' }

export const bridgeDefaults: BridgeConfig = {
  name: '',
  broker: '',
  url: '',
  tls: '',
  hasLogin: false,
  topics: [{ direction: 'out', filter: '#', qos: 1, localPrefix: '', remotePrefix: '' }],
  localUser: '',
  clientId: '',
  clean: false,
  version: 'auto',
  bridgeBit: true,
  keepalive: 60,
  buffer: 10_000,
  megabytes: 50,
  statistics: 0
}

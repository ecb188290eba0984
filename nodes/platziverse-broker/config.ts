/** What a platziverse-broker node saves. Numbers may be text: the editor and `${ENV}` give text. */
export interface BrokerConfig {
  name: string
  /** Address to listen on; empty: 127.0.0.1, or every address when `anonymous`. */
  host: string
  /** 1 to 65535; 0: any free port. */
  port: number | string
  /** Whether clients from the network may connect without a user. */
  anonymous: boolean
  /** Seconds between two messages on the statistics output; 0: none. */
  statistics: number | string
}

export const brokerDefaults: BrokerConfig = { name: '', host: '', port: 8083, anonymous: false, statistics: 0 }

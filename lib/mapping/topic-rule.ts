/** What is on a topic that is none of the three: one row of "Other topics". As saved, so any field may be missing or nonsense until `compileRules` has looked at it. */
export interface TopicRule {
  /** An MQTT filter whose levels may have names: `tele/{uuid}/SENSOR`, `home/{uuid}/{type}`. `+` is a level that nobody needs, `#` the rest. */
  topic: string
  format: PayloadFormat
  /** The agent, made of the topic's names (`{uuid}`) and of fields of the payload (`{$.device.id}`). Absent: `{uuid}`. */
  uuid?: string
  /** The agent's name, made like `uuid`. */
  name?: string
  /** Whose agents they are. */
  username?: string
  /**
   * Made like `uuid`. Of a payload that is one value: the metric's type; absent: `{type}` where the topic has that name, else its last level.
   * Of JSON: what all paths begin with, before a dot; absent: nothing.
   */
  type?: string
  /** Paths of what is taken, such as `ENERGY.*`; absent or empty: everything. Of a payload that is one value, its type stands for the path. */
  take?: string[]
  /** Paths of what is left out; they win over `take`. */
  leave?: string[]
  /** Types that paths get: `{ 'ENERGY.Power': 'power' }`, or all that begin alike: `{ 'params.*': '*' }`. Other paths are their own types. */
  rename?: Record<string, string>
  /** Where the time is. Absent: nowhere, and the time of receipt is taken. Line protocol and Telegraf's JSON have a place for it: of them only the unit counts. */
  time?: { path: string, unit: TimeUnit }
  /** The columns of CSV, in order; absent: its first line names them. */
  columns?: string[]
  /** What parts the columns; absent: a comma. */
  separator?: string
  /** Of `presence`: the payloads, or the texts at `path` of a JSON payload, that say that an agent came and that it went. */
  presence?: { online: string, offline: string, path?: string }
}

/**
 * `value`: one number, boolean or text. `json`: an object, flattened to types by path. `influx`: InfluxDB line protocol. `telegraf`: its JSON. `csv`: lines of columns.
 * `sparkplug`: Sparkplug B. `presence`: whether an agent is there.
 */
export type PayloadFormat = 'value' | 'json' | 'influx' | 'telegraf' | 'csv' | 'sparkplug' | 'presence'

/** `auto`: ISO 8601, or a number in whichever of s, ms, µs and ns is near now. */
export type TimeUnit = 'auto' | 's' | 'ms' | 'us' | 'ns' | 'iso'

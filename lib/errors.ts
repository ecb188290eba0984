/**
 * Every coded error of the package, with the one sentence that says what to do next.
 * docs/errors.md explains each; a test fails when one is missing there, or is no longer here.
 */
export const errorHelp = {
  ADMIN_FAILED: 'Look at the cause, and at the log of Node-RED.',
  ADMIN_NOT_JSON: 'Send JSON, with the content type application/json.',
  ADMIN_REQUEST_INVALID: 'Correct the named part of the request.',
  AGENT_BUFFER_FULL: 'The agent was offline for longer than its buffer lasts: raise "buffer", or lower the reporting rate. For messages of other agents: during a deploy more than 8 MB of them were waiting.',
  AGENT_CLOSED: 'Give disconnect() more time, or find out why the broker does not acknowledge.',
  AGENT_COMMANDS_REFUSED: 'Let the agent\'s user read config_change/{uuid} and config_change/all, and write config_change/{uuid}/state; or switch commands off. The agent reports as it was configured.',
  AGENT_MESSAGE_REFUSED: 'Correct what the broker names, let the agent\'s user publish to agent/message, or let the broker take larger packets. The message was dropped and counted; the agent goes on.',
  AGENT_METRIC_FAILED: 'Correct the value, or the function that measures it: it has to give a finite number, a boolean or a string of at most 1 KiB, in time. The other metrics were sent.',
  AGENT_OPTION_INVALID: 'Correct the named option.',
  AGENT_OUT_LOOP: 'Give agent-out a topic of its own: a broker elsewhere gives what is published on the topics of agents, or on a topic that a row of "Other topics" reads, to agent-in, and it would go round for ever.',
  AGENT_TAKEN_OVER: 'Most likely another agent runs with the same uuid: give each its own uuid or uuidFile. The agent keeps trying, less and less often.',
  AGENT_UNREACHABLE: 'Check that the broker runs, its address and port, and the credentials. The agent keeps trying.',
  ALERTS_TOO_MANY: 'Let the rules name fewer agents and types: what is beyond is not watched.',
  ALERT_INPUT_INVALID: 'Correct the named part of the message: msg.topic says what to do, and msg.payload with what. Nothing was done.',
  ALERT_RULE_INVALID: 'Open the node, correct the named rule or maintenance, and deploy. Until then the node does nothing.',
  BRIDGE_BUFFER_FULL: 'The other broker was away, or slower than this one, for longer than the buffer lasts: raise the buffer. The newest messages were dropped and counted.',
  BRIDGE_CERTIFICATE_REFUSED: 'Choose a tls-config node with the authority that signed the other broker\'s certificate, and check the certificate\'s name and dates. The bridge keeps trying.',
  BRIDGE_LOCAL_REFUSED: 'This broker did not take a message from the other one: see the cause. It was dropped and counted.',
  BRIDGE_LOOP: 'The same topics are carried round by another bridge, or by both brokers\' own bridges: give each bridge its own topics, prefixes or directions. What came round was dropped and counted.',
  BRIDGE_OPTION_INVALID: 'Correct the named option, and deploy.',
  BRIDGE_REFUSED: 'The other broker refused the connection: check user, password and client id, and what it allows. The bridge keeps trying.',
  BRIDGE_REMOTE_REFUSED: 'The other broker does not take this message, because of its size or its topic: check its limits and rules. The message was dropped and counted.',
  BRIDGE_SUBSCRIPTION_REFUSED: 'The other broker does not let this bridge subscribe to a topic: check its access rules. The topics that it allows are carried.',
  BRIDGE_TO_ITSELF: 'This is the address of the broker that the bridge belongs to: give another address. If it is not, give the bridge a client id of its own.',
  BRIDGE_UNREACHABLE: 'The other broker did not accept the connection: check the address, the port and whether it is TLS. The bridge keeps trying.',
  BROKER_CANNOT_SHARE: 'Leave the group empty, and split the work between workers by shards; or use a broker with shared subscriptions. The broker keeps trying.',
  BROKER_CERTIFICATE_EXPIRED: 'Renew the certificate in the tls-config node and deploy. The other listeners keep running; the broker keeps trying.',
  BROKER_CERTIFICATE_INVALID: 'Check the certificate and the key in the tls-config node: PEM or PKCS#12, readable, and belonging together. The other listeners keep running.',
  BROKER_CERTIFICATE_MISSING: 'Choose a tls-config node with a certificate and its key, and a CA certificate where clients need certificates.',
  BROKER_CERTIFICATE_REFUSED: 'Choose a tls-config node with the authority that signed the broker\'s certificate, and check the certificate\'s name and dates. The broker keeps trying.',
  BROKER_CLIENT_ID_TAKEN: 'Two workers, or another program, use the same client id: give each worker its own, such as by an environment variable. A broker must not make client ids of user names (Mosquitto: use_username_as_clientid): a worker has two connections. The broker keeps trying.',
  BROKER_COMMAND_INVALID: 'Send msg.topic disconnect with payload {clientId, seconds}, endSession with {clientId}, forgetAgent with {uuid} or {username}, clients, clearRetained with {topic}, reload with {users, rules}, statistics, or login with {id, allow}.',
  BROKER_DROPPED: 'What was for this worker is lost, although its senders have their acknowledgement: raise the broker\'s limit of what waits (Mosquitto: max_queued_messages 0), and find out which client was away or too slow.',
  BROKER_FOLDER_DAMAGED: 'The broker\'s stored data cannot be read: restore the folder from a backup, or move it away to begin with an empty one.',
  BROKER_FOLDER_IN_USE: 'Another broker keeps its messages in this folder: give each broker a folder of its own.',
  BROKER_FOLDER_NEWER: 'This folder belongs to a newer version of the package: update the package. The folder was not touched.',
  BROKER_FOLDER_UNWRITABLE: 'Check that this process can create and write the folder, and that its disk has room.',
  BROKER_HOST_INVALID: 'Use an address of this machine, such as 127.0.0.1, or leave the host empty.',
  BROKER_LISTEN_FAILED: 'The listener could not be opened: see the cause. The broker keeps trying.',
  BROKER_MISSING: 'Choose a platziverse-broker in this node, check that it is enabled, and deploy.',
  BROKER_NETWORK_CLOSED: 'This host is reachable from the network: add users, tick "Allow anonymous access from the network", or use 127.0.0.1.',
  BROKER_OPTION_INVALID: 'Correct the named option of the broker, and deploy.',
  BROKER_PACKET_TOO_LARGE: 'The message was dropped, and its sender got its acknowledgement from the broker: let it send less at a time, or limit the size of packets at the broker.',
  BROKER_PORT_DENIED: 'Ports below 1024 need rights that this process lacks: choose a higher port.',
  BROKER_PORT_INVALID: 'Use a whole number from 1 to 65535, or 0 for any free port.',
  BROKER_PATH_INVALID: 'Use a path that begins with / and that no other broker or node uses, such as /mqtt.',
  BROKER_PORT_TAKEN: 'Another program, or another broker of your flows, listens on this port: stop it or choose another port. The broker keeps trying.',
  BROKER_QOS_LOW: 'What is published with QoS 0 may be lost on its way, and nobody notices: let agents publish with QoS 1.',
  BROKER_REFUSED: 'Check user, password and client id, and what the broker allows. The broker keeps trying.',
  BROKER_RULE_INVALID: 'Correct the named rule, and deploy. Until then clients may publish and read nothing.',
  BROKER_SESSION_LOST: 'What the broker had for this worker is gone with it: see that the broker keeps sessions (persistence), for as long as workers may be away.',
  BROKER_SILENT: 'Check that agents publish on these topics of this broker, and that its access rules let this worker read them: Mosquitto grants every subscription, and then gives only what the rules allow.',
  BROKER_SUBSCRIPTION_LOSSY: 'What comes on this topic while this worker is away is lost: let the broker grant QoS 1 (Mosquitto: max_qos 1 or more), or read another topic. The broker keeps trying.',
  BROKER_SUBSCRIPTION_REFUSED: 'Check the broker\'s access rules for this topic, and whether it has shared subscriptions; without them leave the group empty. The broker keeps trying.',
  BROKER_UNREACHABLE: 'Check the address, the port and whether it is TLS, and that the broker runs. The broker keeps trying.',
  BROKER_USERS_LOST: 'Restore flows_cred.json and its credentialSecret, or add the users in the broker\'s form again and deploy. Until then nobody gets in.',
  BROKER_USERS_INVALID: 'Open the broker\'s form, check its users, and deploy again. Until then nobody gets in with a password.',
  BROKER_WINDOW_SMALL: 'Raise the broker\'s limit of messages in flight (Mosquitto: max_inflight_messages 1000; RabbitMQ: mqtt.prefetch), or let it speak MQTT 5, where this worker asks for its own.',
  BROKER_WORKER_ALONE: 'Let all workers store into one database server; or, where this is the only one, leave group and shards empty.',
  COMMAND_INTERVAL_INVALID: 'Send the interval in ms. What was in force stays in force.',
  COMMAND_INVALID: 'Send JSON such as {"interval": 60000, "metrics": ["cpuLoad"]}, or nothing to clear what was asked. What was in force stays in force.',
  COMMAND_METRIC_UNKNOWN: 'Name metrics of the list "available" on config_change/{uuid}/state. What was in force stays in force.',
  COMMAND_TOO_LARGE: 'Send a shorter command. What was in force stays in force.',
  CREDENTIALS_LOST: 'Restore flows_cred.json and its credentialSecret, or enter user and password in the node\'s form again and deploy. Until then the node does not connect.',
  DATABASE_MISSING: 'Choose a platziverse-database in this node, check that it is enabled, and deploy.',
  DELIVERY_LOST: 'A node between agent-in and metric-store makes new messages without msg.delivery, or changes msg.delivery.id: let it pass on msg.delivery as it came, or msg itself. Until then every message comes again.',
  DELIVERY_UNSETTLED: 'Nobody stored the message within the time limit: wire a metric-store behind agent-in, or let agent-in acknowledge on arrival.',
  NODE_PROPERTY_INVALID: 'Open the node, correct what it shows there, and deploy; or correct the named property in the file of the flows. Until then the node does nothing.',
  PASSWORD_INVALID: 'Use a password of 1 to 65,535 bytes.',
  PUBLISH_FAILED: 'The broker could not take the message: see the cause.',
  PUBLISH_FORBIDDEN: 'The rules of the broker forbid it: allow it for everyone, or give the bridge a user of this broker that may publish it.',
  PUBLISH_TOPIC_INVALID: 'Publish to a topic of 1 to 65,535 bytes without +, # or NUL; a template may use only fields that the message has, and no field of the agent with a slash.',
  QUERY_AGENT_UNKNOWN: 'No agent with this uuid ever reported: check the uuid.',
  QUERY_DATA_DELETED: 'Retention deleted the data for the rest of the answer: ask again, from where its last part ended.',
  QUERY_FAILED: 'The database did not answer: see the cause.',
  QUERY_INVALID: 'Correct the named property, in the node or in msg.query.',
  QUERY_LIVE_TOO_MANY: 'End live questions that nobody needs, with msg.query.follow = false and the msg.topic that they were asked with.',
  QUERY_RANGE_TOO_LARGE: 'Ask for a shorter range, wider buckets or a limit, or for the answer in parts.',
  QUERY_SERIES_TEXT: 'Ask for the series itself, without buckets: texts have no average.',
  QUERY_SERIES_UNKNOWN: 'No metric of this type was ever reported: check the type, or ask for the agent\'s types.',
  RULES_INVALID: 'Correct the rules: at most 10,000, each with a subject, an access and a topic.',
  STORE_CANNOT_OPEN: 'Check that the folder of the database exists and that Node-RED may write to it. The store keeps trying.',
  STORE_CLOSED: 'A deploy or a shutdown closed the database before the message was stored: the sender gets no acknowledgement and sends it again.',
  STORE_DATABASE_UNKNOWN: 'The server has no such database: create it, or correct the name. The store keeps trying.',
  STORE_DATA_REFUSED: 'The database refused this one message: check its values. Everything else was stored.',
  STORE_DISK_FULL: 'Free some disk space where the database is. Nothing is lost; the store keeps trying.',
  STORE_DRIVER_MISSING: 'Run "npm install" with the named package in the Node-RED user folder, then restart Node-RED.',
  STORE_FULL: 'More is waiting than the store may keep in memory: slow the senders down, or find out why the database does not take it.',
  STORE_HOST_UNKNOWN: 'No machine has this name: check the host of the database, and the DNS of this machine. The store keeps trying.',
  STORE_LOCKED: 'Another program holds a lock on the database: close it. Nothing is lost; the store keeps trying.',
  STORE_LOGIN_REFUSED: 'The database server refused the user: check the user, the password, and from where the user may connect. The store keeps trying.',
  STORE_NOT_ALLOWED: 'The database user lacks a right: allow it to create tables in the database, and to read and write them. The store keeps trying.',
  STORE_NOT_A_DATABASE: 'The file is not a SQLite database, or is damaged: choose another file, or restore it. The store keeps trying.',
  STORE_OPTION_INVALID: 'Correct the named option, and deploy.',
  STORE_READ_ONLY: 'The database cannot be written: check the rights on the file and its folder, or whether the server is a standby. The store keeps trying.',
  STORE_REFUSED_CONNECTION: 'No database server answers there: check the host and the port, whether the server runs, and the firewall between. The store keeps trying.',
  STORE_REPLACED: 'The database was removed, replaced or restored while it was open: the store opens what is there now, creates it if there is nothing, and writes what was not acknowledged into it. Restore a backup with Node-RED stopped, and a SQLite file never without its -wal and -shm of the same moment.',
  STORE_RETENTION_INVALID: 'Correct the named number, and deploy: whole days, 0 for ever, and the finer data not longer than the coarser. Until then nothing is deleted.',
  STORE_SCHEMA_NEWER: 'This database belongs to a newer version of the package: update the package. The database was not touched.',
  STORE_SPOOL_FAILED: 'The spool on disk cannot be written or read: see the cause. It is retried every minute; meanwhile messages that it does not take wait in memory and are not acknowledged.',
  STORE_SPOOL_FULL: 'The database was away for longer than the spool lasts: repair the database, or raise the limit. Further messages wait in memory and are not acknowledged.',
  STORE_TLS_FAILED: 'The database server and this process could not agree on a TLS connection: check the authority, the certificate\'s name and dates, and whether the server has TLS. The store keeps trying.',
  STORE_TOO_MANY_CONNECTIONS: 'The database server has no connection to spare: close others, raise its limit, or lower the pool size. The store keeps trying.',
  STORE_TOO_OLD: 'The database server is too old: update it to at least PostgreSQL 13, MySQL 8.0.17 or MariaDB 10.6. The store keeps trying.',
  STORE_UNAVAILABLE: 'The database did not take the messages: see the cause. Nothing is lost; the store keeps trying.',
  TERMINAL_OPTION_INVALID: 'Correct the named option; --help explains them.',
  TERMINAL_PUBLISH_REFUSED: 'Check what the rules of the broker let this user publish, and its limits.',
  TERMINAL_SUBSCRIPTION_REFUSED: 'Check what the rules of the broker let this user read.',
  TERMINAL_UNREACHABLE: 'Check that the broker runs, its address and port, and the credentials.',
  TEXT_INVALID: 'Send the text of a Mosquitto file, at most 1,048,576 characters.',
  TOPIC_RULE_INVALID: 'Correct the named row of "Other topics", and deploy. Until then it reads nothing; the other rows, and the three messages of agents, are taken as before.',
  TRANSFER_COUNTS_DIFFER: 'The copy is not complete, or somebody wrote meanwhile: stop Node-RED and run the same command again; if the error comes again, copy into an empty database.',
  TRANSFER_LINE_INVALID: 'Correct the named line and run the same command again: a file continues there, a pipe begins again.',
  TRANSFER_OPTION_INVALID: 'Correct the named option; --help explains them.',
  TRANSFER_RESUME_IMPOSSIBLE: 'Export into a new file, without --resume.',
  TRANSFER_TARGET_IN_USE: 'Copy into an empty database, or into one where a copy of the same database was begun. It was not touched.',
  VARIABLE_UNSET: 'Set the variable before Node-RED starts, or in the properties of the flow, and let it be the whole property; or write the value itself into the node. Until then the node does nothing.'
} as const

export type ErrorCode = keyof typeof errorHelp

/** An error that says what happened (`detail`), under which `code`, and what to do next (`help`). */
export class PlatziverseError extends Error {
  readonly code: ErrorCode
  readonly detail: string
  readonly help: string

  constructor (code: ErrorCode, detail: string, options?: ErrorOptions) {
    super(`${code}: ${detail} ${errorHelp[code]}`, options)
    this.name = 'PlatziverseError'
    this.code = code
    this.detail = detail
    this.help = errorHelp[code]
  }

  /** The message alone: it begins with the code, and catch nodes show this. */
  override toString (): string {
    return this.message
  }
}

/** The text of anything that was thrown. */
export function reasonOf (error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Makes errors of one code, for whatever has only one, such as an option that is wrong. */
export function errorsOf (code: ErrorCode): (detail: string, cause?: unknown) => PlatziverseError {
  return (detail, cause) => new PlatziverseError(code, detail, cause === undefined ? {} : { cause })
}

import { hostMetricGroups } from '../../agent/host-metric-groups.ts'

export const english = {
  help: `platziverse-agent: report this machine's metrics to an MQTT broker, and see what agents report

Usage: platziverse-agent [options]            report
       platziverse-agent --watch [options]    see the agents and their metrics, live
       platziverse-agent pub [options]        publish a message; see pub --help
       platziverse-agent sub [options]        print messages; see sub --help

  --url <address>      the broker; default mqtt://127.0.0.1:8083; also mqtts, ws, wss
  --cafile <file>      trust the authority in this PEM file
  --cert <file>        the certificate by which this client is known, in PEM
  --key <file>         its key
  --name <text>        the agent's name; default: the host's name
  --username <text>    the user that the agent reports for; with a password also the broker's login
  --password <text>    the broker's password; better in the environment: PLATZIVERSE_PASSWORD
  --interval <ms>      time between two reports; default 5000
  --uuid <text>        the agent's uuid; default: made once for each name and kept in the user's data folder
  --will-delay <s>     seconds without a connection before the broker says that the agent is gone; default 10; MQTT 5 only
  --only <groups>      some of ${hostMetricGroups.join(',')}; default: all
  --no-commands        do not obey config_change/{uuid} and config_change/all
  --once               report once, wait until the broker has acknowledged it, and exit
  --watch              show what all agents report; q quits. Into a pipe: a line for each message
  --json               with --watch: each message as a line of JSON
  --verbose            print each report and each failed attempt
  --lang <en|es|pt>    the language of what people read; default: that of the environment (LANG)
  --version            print the version
  --help               print this

Exits with 0 when stopped by SIGINT or SIGTERM, 1 when --once could not report, 2 when an option is wrong.`,

  pubHelp: `platziverse-agent pub: publish a message to an MQTT broker

Usage: platziverse-agent pub -t <topic> (-m <text> | -n | -s | -l) [options]

  -t, --topic <topic>      where to
  -m, --message <text>     what
  -n, --null-message       nothing: with -r it clears what is retained
  -s, --stdin-file         the whole of standard input
  -l, --stdin-line         each line of standard input as a message of its own
  -q, --qos <0|1|2>        default 0
  -r, --retain             the broker keeps it for those that subscribe later`,

  subHelp: `platziverse-agent sub: print the messages of an MQTT broker

Usage: platziverse-agent sub -t <topic> [-t <topic> …] [options]

  -t, --topic <filter>     what to subscribe to, such as agent/# or config_change/+/state
  -q, --qos <0|1|2>        default 0
  -v, --verbose            the topic before the message
  --json                   each message as a line of JSON: topic, payload (base64 where it is no text), qos, retain
  -C, --count <number>     exit after so many messages
  -W, --timeout <seconds>  exit after that time: with 27 where --count is not reached by then

Into a pipe a message goes as it came, and a line break after it. On a terminal, characters that it would obey are replaced.`,

  linkHelp: `
  -h, --host <name>        the broker's machine; default 127.0.0.1
  -p, --port <number>      default 8083
  --url <address>          instead of both; also mqtts, ws, wss
  --cafile <file>          trust the authority in this PEM file; with --host, connect over TLS
  --cert <file>            the certificate by which this client is known, in PEM
  --key <file>             its key
  -u, --username <text>    the broker's login
  -P, --password <text>    better in the environment: PLATZIVERSE_PASSWORD
  -i, --id <text>          the client id; default: one of its own
  --lang <en|es|pt>        the language of what people read
  --help                   print this

Exits with 0, with 1 when the broker cannot be reached or refuses, with 2 when an option is wrong.`,

  connectedAs: (name: string, uuid: string) => `connected as ${name} (${uuid})`,
  reports: (metrics: string, interval: string) => `reports every ${interval}: ${metrics}`,
  reportsNothing: 'reports nothing: no metric is on',
  disconnected: 'disconnected',
  lost: (reason: string) => `connection lost, trying again: ${reason}`,
  back: 'connected again',

  connecting: 'connecting…',
  connected: 'connected',
  notConnected: (reason: string) => `not connected: ${reason}`,
  notAllowed: 'the broker does not let this user hear the agents',
  counts: (agents: string, connected: string, rate: string) => `${agents} ${agents === '1' ? 'agent' : 'agents'} · ${connected} connected · ${rate} messages/s`,
  forgotten: (agents: string) => `${agents} more, for which there is no room`,
  waiting: 'Nobody has reported yet. Start an agent: platziverse-agent',
  more: (metrics: number) => `… ${metrics} more`,
  noMetrics: 'no metrics yet',
  ago: (text: string) => `${text} ago`,
  keys: '↑↓ choose · Enter all metrics · q quit',
  keysOpen: '↑↓ scroll · Esc back · q quit',
  tooSmall: 'Window too small.'
}

export type Texts = typeof english

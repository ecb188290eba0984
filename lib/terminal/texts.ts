import { errorsOf } from '../errors.ts'
import { hostMetricGroups } from '../agent/agent.ts'

export const invalid = errorsOf('TERMINAL_OPTION_INVALID')

const english = {
  help: `platziverse-agent: report this machine's metrics to an MQTT broker, and see what agents report

Usage: platziverse-agent [options]            report
       platziverse-agent --watch [options]    see the agents and their metrics, live
       platziverse-agent pub [options]        publish a message; see pub --help
       platziverse-agent sub [options]        print messages; see sub --help

  --url <address>      the broker; default mqtt://127.0.0.1:8083; also mqtts, ws, wss
  --name <text>        the agent's name; default: the host's name
  --username <text>    the user that the agent reports for; with a password also the broker's login
  --password <text>    the broker's password; better in the environment: PLATZIVERSE_PASSWORD
  --interval <ms>      time between two reports; default 5000
  --uuid <text>        the agent's uuid; default: made once for each name and kept in the user's data folder
  --only <groups>      some of ${hostMetricGroups.join(',')}; default: all
  --no-commands        do not obey config_change/{uuid} and config_change/all
  --once               report once, wait until the broker has acknowledged it, and exit
  --watch              show what all agents report; q quits. Into a pipe: a line for each message
  --json               with --watch: each message as a line of JSON
  --verbose            print each report and each failed attempt
  --lang <en|es>       the language of what people read; default: that of the environment (LANG)
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
  --json                   each message as a line of JSON: topic, payload, qos, retain
  -C, --count <number>     exit after so many messages
  -W, --timeout <seconds>  exit after that time: with 27 where --count is not reached by then

Into a pipe a message goes as it came, and a line break after it. On a terminal, characters that it would obey are replaced.`,

  linkHelp: `
  -h, --host <name>        the broker's machine; default 127.0.0.1
  -p, --port <number>      default 8083
  --url <address>          instead of both; also mqtts, ws, wss
  --cafile <file>          trust the authority in this PEM file
  -u, --username <text>    the broker's login
  -P, --password <text>    better in the environment: PLATZIVERSE_PASSWORD
  -i, --id <text>          the client id; default: one of its own
  --lang <en|es>           the language of what people read
  --help                   print this

Exits with 0, with 1 when the broker cannot be reached or refuses, with 2 when an option is wrong.`,

  connectedAs: (name: string, uuid: string) => `connected as ${name} (${uuid})`,
  reports: (metrics: string, interval: string) => `reports every ${interval}: ${metrics}`,
  reportsNothing: 'reports nothing: no metric is on',
  disconnected: 'disconnected',
  lost: (reason: string) => `connection lost, trying again: ${reason}`,
  back: 'connected again',
  seconds: (number: string) => `${number} s`,

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
  tooSmall: 'This window is too small.'
}

export type Texts = typeof english
export const languages = ['en', 'es'] as const
export type Language = typeof languages[number]

const spanish: Texts = {
  help: `platziverse-agent: informa las métricas de esta máquina a un broker MQTT, y muestra lo que informan los agentes

Uso: platziverse-agent [opciones]            informar
     platziverse-agent --watch [opciones]    ver los agentes y sus métricas, en vivo
     platziverse-agent pub [opciones]        publicar un mensaje; véase pub --help
     platziverse-agent sub [opciones]        mostrar mensajes; véase sub --help

  --url <dirección>    el broker; por defecto mqtt://127.0.0.1:8083; también mqtts, ws, wss
  --name <texto>       el nombre del agente; por defecto, el de la máquina
  --username <texto>   el usuario en cuyo nombre informa el agente; con una contraseña, también el del broker
  --password <texto>   la contraseña del broker; mejor en el entorno: PLATZIVERSE_PASSWORD
  --interval <ms>      entre dos informes; por defecto 5000
  --uuid <texto>       quién es el agente; por defecto se crea una vez por nombre y se guarda en la carpeta de datos del usuario
  --only <grupos>      algunos de ${hostMetricGroups.join(',')}; por defecto, todos
  --no-commands        no obedecer config_change/{uuid} ni config_change/all
  --once               informar una vez, esperar a que el broker lo confirme y terminar
  --watch              mostrar lo que informan todos los agentes; q sale. Hacia una tubería: una línea por mensaje
  --json               con --watch: cada mensaje como una línea de JSON
  --verbose            mostrar cada informe y cada intento fallido
  --lang <en|es>       el idioma de lo que leen las personas; por defecto, el del entorno (LANG)
  --version            mostrar la versión
  --help               mostrar esto

Termina con 0 si lo detiene SIGINT o SIGTERM, con 1 si --once no pudo informar, con 2 si una opción es incorrecta.`,

  pubHelp: `platziverse-agent pub: publica un mensaje en un broker MQTT

Uso: platziverse-agent pub -t <tema> (-m <texto> | -n | -s | -l) [opciones]

  -t, --topic <tema>       dónde
  -m, --message <texto>    qué
  -n, --null-message       nada: con -r borra lo retenido
  -s, --stdin-file         toda la entrada estándar
  -l, --stdin-line         cada línea de la entrada estándar como un mensaje
  -q, --qos <0|1|2>        por defecto 0
  -r, --retain             el broker lo guarda para los que se suscriban después`,

  subHelp: `platziverse-agent sub: muestra los mensajes de un broker MQTT

Uso: platziverse-agent sub -t <tema> [-t <tema> …] [opciones]

  -t, --topic <filtro>     a qué suscribirse, por ejemplo agent/# o config_change/+/state
  -q, --qos <0|1|2>        por defecto 0
  -v, --verbose            el tema delante del mensaje
  --json                   cada mensaje como una línea de JSON: topic, payload, qos, retain
  -C, --count <número>     terminar después de tantos mensajes
  -W, --timeout <segundos> terminar después de ese tiempo: con 27 si para entonces no se llegó a --count

Hacia una tubería, un mensaje sale tal como llegó, seguido de un salto de línea. En un terminal se reemplazan los caracteres que este obedecería.`,

  linkHelp: `
  -h, --host <nombre>      la máquina del broker; por defecto 127.0.0.1
  -p, --port <número>      por defecto 8083
  --url <dirección>        en lugar de los dos; también mqtts, ws, wss
  --cafile <archivo>       confiar en la autoridad de este archivo PEM
  -u, --username <texto>   el usuario del broker
  -P, --password <texto>   mejor en el entorno: PLATZIVERSE_PASSWORD
  -i, --id <texto>         el id de cliente; por defecto, uno propio
  --lang <en|es>           el idioma de lo que leen las personas
  --help                   mostrar esto

Termina con 0, con 1 si no se llega al broker o este se niega, con 2 si una opción es incorrecta.`,

  connectedAs: (name, uuid) => `conectado como ${name} (${uuid})`,
  reports: (metrics, interval) => `informa cada ${interval}: ${metrics}`,
  reportsNothing: 'no informa nada: ninguna métrica está activada',
  disconnected: 'desconectado',
  lost: reason => `se perdió la conexión, se intenta de nuevo: ${reason}`,
  back: 'conectado de nuevo',
  seconds: number => `${number} s`,

  connecting: 'conectando…',
  connected: 'conectado',
  notConnected: reason => `sin conexión: ${reason}`,
  notAllowed: 'el broker no permite que este usuario oiga a los agentes',
  counts: (agents, connected, rate) => `${agents} ${agents === '1' ? 'agente' : 'agentes'} · ${connected} ${connected === '1' ? 'conectado' : 'conectados'} · ${rate} mensajes/s`,
  forgotten: agents => `${agents} más, para los que no hay lugar`,
  waiting: 'Todavía no ha informado nadie. Inicia un agente: platziverse-agent',
  more: metrics => `… ${metrics} más`,
  noMetrics: 'todavía sin métricas',
  ago: text => `hace ${text}`,
  keys: '↑↓ elegir · Intro todas las métricas · q salir',
  keysOpen: '↑↓ desplazarse · Esc volver · q salir',
  tooSmall: 'Esta ventana es demasiado pequeña.'
}

const catalogues: Record<Language, Texts> = { en: english, es: spanish }

/** @throws PlatziverseError TERMINAL_OPTION_INVALID for a language that is none of these */
export function languageOf (given: string | undefined, environment: NodeJS.ProcessEnv = process.env): Language {
  const language = languages.find(language => language === given)
  if (language !== undefined) return language
  if (given !== undefined) throw invalid(`--lang knows ${languages.join(' and ')}, and not "${given}".`)
  const locale = environment.LC_ALL || environment.LC_MESSAGES || environment.LANG || ''
  return /^es(?![a-z])/i.test(locale) ? 'es' : 'en'
}

export function textsIn (language: Language): Texts {
  return catalogues[language]
}

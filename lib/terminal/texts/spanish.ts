import { hostMetricGroups } from '../../agent/host-metric-groups.ts'
import type { Texts } from './english.ts'

export const spanish: Texts = {
  help: `platziverse-agent: informa las métricas de esta máquina a un broker MQTT, y muestra lo que informan los agentes

Uso: platziverse-agent [opciones]            informar
     platziverse-agent --watch [opciones]    ver los agentes y sus métricas, en vivo
     platziverse-agent pub [opciones]        publicar un mensaje; véase pub --help
     platziverse-agent sub [opciones]        mostrar mensajes; véase sub --help

  --url <dirección>    el broker; por defecto mqtt://127.0.0.1:8083; también mqtts, ws, wss
  --cafile <archivo>   confiar en la autoridad de este archivo PEM
  --cert <archivo>     el certificado con que este cliente se identifica, en PEM
  --key <archivo>      su clave
  --name <texto>       el nombre del agente; por defecto, el de la máquina
  --username <texto>   el usuario en cuyo nombre informa el agente; con una contraseña, también el del broker
  --password <texto>   la contraseña del broker; mejor en el entorno: PLATZIVERSE_PASSWORD
  --interval <ms>      entre dos informes; por defecto 5000
  --uuid <texto>       quién es el agente; por defecto se crea una vez por nombre y se guarda en la carpeta de datos del usuario
  --will-delay <s>     segundos sin conexión tras los que el broker dice que el agente se fue; por defecto 10; solo con MQTT 5
  --only <grupos>      algunos de ${hostMetricGroups.join(',')}; por defecto, todos
  --no-commands        no obedecer config_change/{uuid} ni config_change/all
  --once               informar una vez, esperar a que el broker lo confirme y terminar
  --watch              mostrar lo que informan todos los agentes; q sale. Hacia una tubería: una línea por mensaje
  --json               con --watch: cada mensaje como una línea de JSON
  --verbose            mostrar cada informe y cada intento fallido
  --lang <en|es|pt>    el idioma de lo que leen las personas; por defecto, el del entorno (LANG)
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
  --json                   cada mensaje como una línea de JSON: topic, payload (base64 si no es texto), qos, retain
  -C, --count <número>     terminar después de tantos mensajes
  -W, --timeout <segundos> terminar después de ese tiempo: con 27 si para entonces no se llegó a --count

Hacia una tubería, un mensaje sale tal como llegó, seguido de un salto de línea. En un terminal se reemplazan los caracteres que este obedecería.`,

  linkHelp: `
  -h, --host <nombre>      la máquina del broker; por defecto 127.0.0.1
  -p, --port <número>      por defecto 8083
  --url <dirección>        en lugar de los dos; también mqtts, ws, wss
  --cafile <archivo>       confiar en la autoridad de este archivo PEM; con --host, conectarse por TLS
  --cert <archivo>         el certificado con que este cliente se identifica, en PEM
  --key <archivo>          su clave
  -u, --username <texto>   el usuario del broker
  -P, --password <texto>   mejor en el entorno: PLATZIVERSE_PASSWORD
  -i, --id <texto>         el id de cliente; por defecto, uno propio
  --lang <en|es|pt>        el idioma de lo que leen las personas
  --help                   mostrar esto

Termina con 0, con 1 si no se llega al broker o este se niega, con 2 si una opción es incorrecta.`,

  connectedAs: (name, uuid) => `conectado como ${name} (${uuid})`,
  reports: (metrics, interval) => `informa cada ${interval}: ${metrics}`,
  reportsNothing: 'no informa nada: ninguna métrica está activada',
  disconnected: 'desconectado',
  lost: reason => `se perdió la conexión, se intenta de nuevo: ${reason}`,
  back: 'conectado de nuevo',

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
  tooSmall: 'Ventana muy pequeña.'
}

import { errorHelp, PlatziverseError, reasonOf, type ErrorCode } from '../../errors.ts'
import type { Language } from './texts.ts'

type Other = Exclude<Language, 'en'>

/** What errors that can come up here advise. The codes stay. */
export const translatedHelp: Partial<Record<ErrorCode, Record<Other, string>>> = {
  AGENT_BUFFER_FULL: {
    es: 'El agente estuvo sin conexión más tiempo del que dura su búfer: aumentar "buffer" o informar con menos frecuencia. Si eran mensajes de otros agentes: durante un deploy esperaban más de 8 MB de ellos.',
    pt: 'O agente ficou sem conexão por mais tempo do que dura o seu buffer: aumente "buffer" ou envie com menos frequência. Se eram mensagens de outros agentes: durante um deploy mais de 8 MB delas esperavam.'
  },
  AGENT_CLOSED: {
    es: 'Darle más tiempo a disconnect(), o ver por qué el broker no confirma.',
    pt: 'Dê mais tempo a disconnect(), ou descubra por que o broker não confirma.'
  },
  AGENT_COMMANDS_REFUSED: {
    es: 'Permitir al usuario del agente leer config_change/{uuid} y config_change/all, y escribir config_change/{uuid}/state; o desactivar las órdenes. El agente informa tal como se configuró.',
    pt: 'Permita que o usuário do agente leia config_change/{uuid} e config_change/all, e escreva config_change/{uuid}/state; ou desligue os comandos. O agente envia como foi configurado.'
  },
  AGENT_METRIC_FAILED: {
    es: 'Corregir el valor, o la función que lo mide: un número finito, un booleano o un texto de 1 KiB como máximo, y a tiempo. Las demás métricas se enviaron.',
    pt: 'Corrija o valor, ou a função que o mede: um número finito, um booleano ou um texto de no máximo 1 KiB, e a tempo. As outras métricas foram enviadas.'
  },
  AGENT_OPTION_INVALID: { es: 'Corregir la opción indicada.', pt: 'Corrija a opção indicada.' },
  AGENT_TAKEN_OVER: {
    es: 'Lo más probable es que otro agente use el mismo uuid: dar a cada uno un uuid o un uuidFile propio. El agente sigue intentándolo, cada vez con menos frecuencia.',
    pt: 'O mais provável é que outro agente use o mesmo uuid: dê a cada um o seu próprio uuid ou uuidFile. O agente continua tentando, cada vez com menos frequência.'
  },
  AGENT_UNREACHABLE: {
    es: 'Revisar que el broker esté en marcha, su dirección y su puerto, y las credenciales. El agente lo sigue intentando.',
    pt: 'Verifique se o broker está em execução, o endereço e a porta, e as credenciais. O agente continua tentando.'
  },
  COMMAND_INTERVAL_INVALID: {
    es: 'Enviar el intervalo en ms. Lo que estaba en vigor sigue en vigor.',
    pt: 'Envie o intervalo em ms. O que estava em vigor continua em vigor.'
  },
  COMMAND_INVALID: {
    es: 'Enviar JSON como {"interval": 60000, "metrics": ["cpuLoad"]}, o nada para anular lo pedido. Lo que estaba en vigor sigue en vigor.',
    pt: 'Envie JSON como {"interval": 60000, "metrics": ["cpuLoad"]}, ou nada para anular o que foi pedido. O que estava em vigor continua em vigor.'
  },
  COMMAND_METRIC_UNKNOWN: {
    es: 'Nombrar métricas de la lista "available" de config_change/{uuid}/state. Lo que estaba en vigor sigue en vigor.',
    pt: 'Use métricas da lista "available" de config_change/{uuid}/state. O que estava em vigor continua em vigor.'
  },
  COMMAND_TOO_LARGE: {
    es: 'Enviar una orden más corta. Lo que estaba en vigor sigue en vigor.',
    pt: 'Envie um comando mais curto. O que estava em vigor continua em vigor.'
  },
  TERMINAL_OPTION_INVALID: { es: 'Corregir la opción indicada; --help las explica.', pt: 'Corrija a opção indicada; --help explica todas.' },
  TERMINAL_SUBSCRIPTION_REFUSED: {
    es: 'Revisar qué permiten leer a este usuario las reglas del broker.',
    pt: 'Verifique o que as regras do broker permitem que este usuário leia.'
  },
  TERMINAL_UNREACHABLE: {
    es: 'Comprobar que el broker funciona, su dirección y su puerto, y las credenciales.',
    pt: 'Verifique se o broker está em execução, o endereço e a porta, e as credenciais.'
  }
}

/** What happened, as the English sentence has it: of this command, of the agent, of MQTT.js and of Node.js. `{1}` stands for anything, which may be such a sentence itself. */
const sentences: ReadonlyArray<{ en: string } & Record<Other, string>> = [
  { en: 'No connection: {1}.', es: 'Sin conexión: {1}.', pt: 'Sem conexão: {1}.' },
  { en: 'the broker closed the connection', es: 'el broker cerró la conexión', pt: 'o broker fechou a conexão' },
  { en: 'connect ECONNREFUSED {1}', es: 'nadie escucha en {1} (ECONNREFUSED)', pt: 'ninguém escuta em {1} (ECONNREFUSED)' },
  { en: 'getaddrinfo {1} {2}', es: 'no se encuentra la máquina {2} ({1})', pt: 'a máquina {2} não foi encontrada ({1})' },
  { en: 'connack timeout', es: 'el broker no respondió a tiempo', pt: 'o broker não respondeu a tempo' },
  { en: 'Keepalive timeout', es: 'el broker dejó de responder', pt: 'o broker parou de responder' },
  { en: 'Connection refused: {1}', es: 'conexión rechazada: {1}', pt: 'conexão recusada: {1}' },
  { en: 'Subscribe error: {1}', es: 'suscripción rechazada: {1}', pt: 'assinatura recusada: {1}' },
  { en: 'Unspecified error', es: 'sin motivo indicado', pt: 'sem motivo informado' },
  { en: 'Unacceptable protocol version', es: 'versión del protocolo no aceptada', pt: 'versão do protocolo não aceita' },
  { en: 'Identifier rejected', es: 'id de cliente rechazado', pt: 'id de cliente recusado' },
  { en: 'Server unavailable', es: 'servidor no disponible', pt: 'servidor indisponível' },
  { en: 'Bad username or password', es: 'usuario o contraseña incorrectos', pt: 'usuário ou senha incorretos' },
  { en: 'Not authorized', es: 'sin autorización', pt: 'sem autorização' },

  { en: 'The broker refused {1}.', es: 'El broker rechazó {1}.', pt: 'O broker recusou {1}.' },
  {
    en: 'The broker ended {1} connections in a row that worked, as it does when another client connects with the client id {2}.',
    es: 'El broker terminó {1} conexiones seguidas que funcionaban, como hace cuando otro cliente se conecta con el id de cliente {2}.',
    pt: 'O broker encerrou {1} conexões seguidas que funcionavam, como faz quando outro cliente se conecta com o id de cliente {2}.'
  },
  { en: 'More than {1} messages wait for the broker; the oldest is dropped.', es: 'Más de {1} mensajes esperan al broker; se descarta el más antiguo.', pt: 'Mais de {1} mensagens esperam pelo broker; a mais antiga é descartada.' },
  {
    en: 'The agent was disconnected before the broker acknowledged what was left; dropped messages: {1}.',
    es: 'El agente se desconectó antes de que el broker confirmara lo que quedaba; mensajes descartados: {1}.',
    pt: 'O agente foi desconectado antes que o broker confirmasse o que restava; mensagens descartadas: {1}.'
  },
  { en: 'The broker does not let this agent subscribe to {1}: {2}.', es: 'El broker no permite que este agente se suscriba a {1}: {2}.', pt: 'O broker não permite que este agente assine {1}: {2}.' },
  {
    en: 'The broker closed {1} connections instead of letting this agent subscribe to {2}.',
    es: 'El broker cerró {1} conexiones en vez de permitir que este agente se suscribiera a {2}.',
    pt: 'O broker fechou {1} conexões em vez de permitir que este agente assinasse {2}.'
  },
  { en: 'The metric {1} was not reported: {2}.', es: 'La métrica {1} no se informó: {2}.', pt: 'A métrica {1} não foi enviada: {2}.' },
  { en: 'it did not answer within {1} ms', es: 'no respondió en {1} ms', pt: 'não respondeu em {1} ms' },
  { en: 'it is still busy with an earlier round', es: 'sigue ocupada con una ronda anterior', pt: 'ainda está ocupada com uma rodada anterior' },

  { en: 'The command has more than {1} bytes.', es: 'La orden tiene más de {1} bytes.', pt: 'O comando tem mais de {1} bytes.' },
  { en: 'A command is an object, and not {1}.', es: 'Una orden es un objeto, y no {1}.', pt: 'Um comando é um objeto, e não {1}.' },
  { en: 'A command has interval and metrics, and not {1}.', es: 'Una orden tiene interval y metrics, y no {1}.', pt: 'Um comando tem interval e metrics, e não {1}.' },
  { en: 'interval must be a whole number of ms from {1} to {2}, and is {3}.', es: 'interval debe ser un número entero de ms de {1} a {2}, y es {3}.', pt: 'interval deve ser um número inteiro de ms de {1} a {2}, e é {3}.' },
  { en: 'metrics must be a list of metric types.', es: 'metrics debe ser una lista de tipos de métricas.', pt: 'metrics deve ser uma lista de tipos de métricas.' },
  { en: 'This agent does not measure {1}.', es: 'Este agente no mide {1}.', pt: 'Este agente não mede {1}.' },
  { en: 'The payload is not JSON: {1}.', es: 'El contenido no es JSON: {1}.', pt: 'O conteúdo não é JSON: {1}.' },
  { en: 'The payload is not UTF-8.', es: 'El contenido no es UTF-8.', pt: 'O conteúdo não é UTF-8.' },

  { en: 'Unknown option \'{1}\'; see --help.', es: 'Opción desconocida: {1}; véase --help.', pt: 'Opção desconhecida: {1}; veja --help.' },
  { en: 'Unexpected argument \'{1}\'. This command does not take positional arguments; see --help.', es: 'Sobra {1}: todo se da con opciones; véase --help.', pt: '{1} está sobrando: tudo é dado com opções; veja --help.' },
  { en: 'Option \'{1}\' argument missing; see --help.', es: 'A la opción {1} le falta el valor; véase --help.', pt: 'Falta o valor da opção {1}; veja --help.' },
  { en: 'Option \'{1}\' does not take an argument; see --help.', es: 'La opción {1} no lleva valor; véase --help.', pt: 'A opção {1} não leva valor; veja --help.' },
  {
    en: 'Option \'{1}\' argument is ambiguous. {2} use \'{3}\' or \'{4}\'; see --help.',
    es: 'A la opción {1} parece faltarle el valor. Un valor que empieza con un guion se da así: {3} o {4}; véase --help.',
    pt: 'Parece faltar o valor da opção {1}. Um valor que começa com hífen é dado assim: {3} ou {4}; veja --help.'
  },
  {
    en: 'Option \'{1}\' argument is ambiguous. {2} use \'{3}\'; see --help.',
    es: 'A la opción {1} parece faltarle el valor. Un valor que empieza con un guion se da así: {3}; véase --help.',
    pt: 'Parece faltar o valor da opção {1}. Um valor que começa com hífen é dado assim: {3}; veja --help.'
  },
  { en: '{1} must be a whole number from {2} to {3}, and is {4}.', es: '{1} debe ser un número entero de {2} a {3}, y es {4}.', pt: '{1} deve ser um número inteiro de {2} a {3}, e é {4}.' },
  { en: '{1} must not have fewer than {2} characters.', es: '{1} no debe tener menos de {2} caracteres.', pt: '{1} não deve ter menos de {2} caracteres.' },
  { en: '{1} must not have more than {2} characters.', es: '{1} no debe tener más de {2} caracteres.', pt: '{1} não deve ter mais de {2} caracteres.' },
  { en: '{1} must be {2} to {3} printable characters; a UUID is recommended, a chip id is fine.', es: '{1} debe tener de {2} a {3} caracteres visibles; se recomienda un UUID, sirve el id de un chip.', pt: '{1} deve ter de {2} a {3} caracteres visíveis; um UUID é recomendado, o id de um chip serve.' },
  {
    en: 'uuidFile: the uuid cannot be kept ({1}); name a file that can be written, or give the uuid itself.',
    es: 'uuidFile: no se puede guardar el uuid ({1}); indicar un archivo en el que se pueda escribir, o el propio uuid.',
    pt: 'uuidFile: o uuid não pode ser guardado ({1}); indique um arquivo em que se possa escrever, ou o próprio uuid.'
  },
  { en: '--{1} knows {2}, and not "{3}".', es: '--{1} conoce {2}, y no "{3}".', pt: '--{1} conhece {2}, e não "{3}".' },
  { en: '--json is for --watch.', es: '--json es para --watch.', pt: '--json é para --watch.' },
  { en: '--once and --watch do not go together.', es: '--once y --watch no van juntas.', pt: '--once e --watch não podem ser usadas juntas.' },
  { en: '--cert and --key go together.', es: '--cert y --key van juntas.', pt: '--cert e --key são usadas juntas.' },
  { en: '--url stands instead of --host and --port: give it alone.', es: '--url sustituye a --host y --port: darla sola.', pt: '--url substitui --host e --port: use-a sozinha.' },
  { en: '{1} gives no address such as mqtt://192.0.2.1:1883.', es: '{1} no da una dirección como mqtt://192.0.2.1:1883.', pt: '{1} não dá um endereço como mqtt://192.0.2.1:1883.' },
  { en: '{1} needs an address that begins with mqtts or wss.', es: '{1} necesita una dirección que empiece con mqtts o wss.', pt: '{1} precisa de um endereço que comece com mqtts ou wss.' },
  { en: 'A password needs a user: --username.', es: 'Una contraseña necesita un usuario: --username.', pt: 'Uma senha precisa de um usuário: --username.' },
  { en: '{1} cannot be read: {2}.', es: 'No se puede leer {1}: {2}.', pt: 'Não é possível ler {1}: {2}.' },
  { en: 'ENOENT: no such file or directory, open {1}', es: 'no existe {1} (ENOENT)', pt: '{1} não existe (ENOENT)' },
  { en: 'TLS does not take these files: {1}.', es: 'TLS no acepta estos archivos: {1}.', pt: 'O TLS não aceita estes arquivos: {1}.' },
  { en: '--topic is missing.', es: 'Falta --topic.', pt: 'Falta --topic.' },
  { en: '--topic is no topic filter: {1}.', es: '--topic no es un filtro de temas: {1}.', pt: '--topic não é um filtro de tópicos: {1}.' },
  { en: 'The message has no topic.', es: 'El mensaje no tiene tema.', pt: 'A mensagem não tem tópico.' },
  { en: 'The topic {1} has a wildcard.', es: 'El tema {1} tiene un comodín.', pt: 'O tópico {1} tem um curinga.' },
  { en: 'The topic is longer than 65,535 bytes.', es: 'El tema tiene más de 65.535 bytes.', pt: 'O tópico tem mais de 65.535 bytes.' },
  {
    en: 'Give one of --message, --null-message, --stdin-file and --stdin-line.',
    es: 'Dar una de --message, --null-message, --stdin-file y --stdin-line.',
    pt: 'Use uma de --message, --null-message, --stdin-file e --stdin-line.'
  },
  {
    en: '--stdin-file reads more than the 256 MB that a message of MQTT may have.',
    es: '--stdin-file lee más de los 256 MB que puede tener un mensaje de MQTT.',
    pt: '--stdin-file lê mais do que os 256 MB que uma mensagem de MQTT pode ter.'
  }
]

/** An error as people read it. What has no translation stays English. */
export function errorText (error: unknown, language: Language): string {
  if (language === 'en' || !(error instanceof PlatziverseError)) return translated(reasonOf(error), language)
  const { code, detail } = error
  return `${code}: ${translated(detail, language)} ${translatedHelp[code]?.[language] ?? errorHelp[code]}`
}

/** A sentence that happened to be English. */
export function translated (sentence: string, language: Language): string {
  if (language === 'en') return sentence
  for (const { en, [language]: other } of sentences) {
    const found = patternOf(en).exec(sentence)
    if (found !== null) return other.replace(/\{(\d)\}/g, (_all, number: string) => translated(found[Number(number)] ?? '', language))
  }
  return sentence
}

function patternOf (english: string): RegExp {
  return new RegExp(`^${english.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{\d\}/g, '([^]+?)')}$`)
}

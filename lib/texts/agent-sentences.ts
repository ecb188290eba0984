import type { Sentence } from './sentence.ts'

/** Of the agent, and of its command. */
export const agentSentences: readonly Sentence[] = [
  { en: 'No connection: {1}.', es: 'Sin conexión: {1}.', pt: 'Sem conexão: {1}.' },
  { en: 'The broker refused {1}.', es: 'El broker rechazó {1}.', pt: 'O broker recusou {1}.' },
  {
    en: 'The broker ended {1} connections in a row that worked, as it does when another client connects with the client id {2}.',
    es: 'El broker terminó {1} conexiones seguidas que funcionaban, como hace cuando otro cliente se conecta con el id de cliente {2}.',
    pt: 'O broker encerrou {1} conexões seguidas que funcionavam, como faz quando outro cliente se conecta com o id de cliente {2}.'
  },
  {
    en: 'More than {1} messages wait for the broker; the oldest is dropped.',
    es: 'Más de {1} mensajes esperan al broker; se descarta el más antiguo.',
    pt: 'Mais de {1} mensagens esperam pelo broker; a mais antiga é descartada.'
  },
  {
    en: 'The agent was disconnected before the broker acknowledged what was left; dropped messages: {1}.',
    es: 'El agente se desconectó antes de que el broker confirmara lo que quedaba; mensajes descartados: {1}.',
    pt: 'O agente foi desconectado antes que o broker confirmasse o que restava; mensagens descartadas: {1}.'
  },
  {
    en: 'The broker does not let this agent subscribe to {1}: {2}.',
    es: 'El broker no permite que este agente se suscriba a {1}: {2}.',
    pt: 'O broker não permite que este agente assine {1}: {2}.'
  },
  {
    en: 'The broker closed {1} connections instead of letting this agent subscribe to {2}.',
    es: 'El broker cerró {1} conexiones en vez de permitir que este agente se suscribiera a {2}.',
    pt: 'O broker fechou {1} conexões em vez de permitir que este agente assinasse {2}.'
  },
  {
    en: 'The broker ended the connection each time that it was given this message.',
    es: 'El broker cerró la conexión cada vez que se le dio este mensaje.',
    pt: 'O broker encerrou a conexão cada vez que recebeu esta mensagem.'
  },
  { en: 'The broker refused a message: {1}.', es: 'El broker rechazó un mensaje: {1}.', pt: 'O broker recusou uma mensagem: {1}.' },
  { en: 'The metric {1} was not reported: {2}.', es: 'La métrica {1} no se informó: {2}.', pt: 'A métrica {1} não foi enviada: {2}.' },
  { en: 'it did not answer within {1} ms', es: 'no respondió en {1} ms', pt: 'não respondeu em {1} ms' },
  { en: 'it is still busy with an earlier round', es: 'sigue ocupada con una ronda anterior', pt: 'ainda está ocupada com uma rodada anterior' },
  { en: 'The command has more than {1} bytes.', es: 'La orden tiene más de {1} bytes.', pt: 'O comando tem mais de {1} bytes.' },
  { en: 'A command is an object, and not {1}.', es: 'Una orden es un objeto, y no {1}.', pt: 'Um comando é um objeto, e não {1}.' },
  { en: 'A command has interval and metrics, and not {1}.', es: 'Una orden tiene interval y metrics, y no {1}.', pt: 'Um comando tem interval e metrics, e não {1}.' },
  {
    en: 'interval must be a whole number of ms from {1} to {2}, and is {3}.',
    es: 'interval debe ser un número entero de ms de {1} a {2}, y es {3}.',
    pt: 'interval deve ser um número inteiro de ms de {1} a {2}, e é {3}.'
  },
  { en: 'metrics must be a list of metric types.', es: 'metrics debe ser una lista de tipos de métricas.', pt: 'metrics deve ser uma lista de tipos de métricas.' },
  { en: 'This agent does not measure {1}.', es: 'Este agente no mide {1}.', pt: 'Este agente não mede {1}.' },
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
  {
    en: '{1} gives no address such as mqtt://192.0.2.1:1883.',
    es: '{1} no da una dirección como mqtt://192.0.2.1:1883.',
    pt: '{1} não dá um endereço como mqtt://192.0.2.1:1883.'
  },
  {
    en: '{1} needs an address that begins with mqtts or wss.',
    es: '{1} necesita una dirección que empiece con mqtts o wss.',
    pt: '{1} precisa de um endereço que comece com mqtts ou wss.'
  },
  { en: 'A password needs a user: --username.', es: 'Una contraseña necesita un usuario: --username.', pt: 'Uma senha precisa de um usuário: --username.' },
  { en: '{1} cannot be read: {2}.', es: 'No se puede leer {1}: {2}.', pt: 'Não é possível ler {1}: {2}.' },
  { en: 'TLS does not take these files: {1}.', es: 'TLS no acepta estos archivos: {1}.', pt: 'O TLS não aceita estes arquivos: {1}.' },
  { en: '--topic is missing.', es: 'Falta --topic.', pt: 'Falta --topic.' },
  { en: '--topic is no topic filter: {1}.', es: '--topic no es un filtro de temas: {1}.', pt: '--topic não é um filtro de tópicos: {1}.' },
  {
    en: 'Give one of --message, --null-message, --stdin-file and --stdin-line.',
    es: 'Dar una de --message, --null-message, --stdin-file y --stdin-line.',
    pt: 'Use uma de --message, --null-message, --stdin-file e --stdin-line.'
  },
  {
    en: '--stdin-file reads more than the 256 MB that a message of MQTT may have.',
    es: '--stdin-file lee más de los 256 MB que puede tener un mensaje de MQTT.',
    pt: '--stdin-file lê mais do que os 256 MB que uma mensagem de MQTT pode ter.'
  },
  { en: 'A metric without a type was not reported: {1}.', es: 'Una métrica sin tipo no se informó: {1}.', pt: 'Uma métrica sem tipo não foi enviada: {1}.' },
  { en: 'it is given twice', es: 'está repetida', pt: 'está repetida' },
  {
    en: 'Other agents said more than {1} MB while the flows were stopped; dropped messages: {2}.',
    es: 'Otros agentes enviaron más de {1} MB mientras los flujos estaban parados; mensajes descartados: {2}.',
    pt: 'Outros agentes enviaram mais de {1} MB enquanto os fluxos estavam parados; mensagens descartadas: {2}.'
  },
  {
    en: 'commands must be false: the uuid {1} is no level of a topic of its own.',
    es: 'commands debe ser false: el uuid {1} no puede ser un nivel de un tema.',
    pt: 'commands deve ser false: o uuid {1} não pode ser um nível de um tópico.'
  },
  {
    en: 'mqtt.url must be an address such as mqtt://192.0.2.1:1883.',
    es: 'mqtt.url debe ser una dirección como mqtt://192.0.2.1:1883.',
    pt: 'mqtt.url deve ser um endereço como mqtt://192.0.2.1:1883.'
  },
  {
    en: 'listen must be false here: the broker does not let this agent hear the others ({1}).',
    es: 'listen debe ser false aquí: el broker no permite que este agente oiga a los demás ({1}).',
    pt: 'listen deve ser false aqui: o broker não permite que este agente ouça os outros ({1}).'
  },
  { en: 'its broker takes the messages of shards alone', es: 'su broker solo toma los mensajes de fragmentos', pt: 'o broker dele só recebe as mensagens de fragmentos' },
  { en: 'its broker does not listen yet', es: 'su broker todavía no escucha', pt: 'o broker dele ainda não escuta' },
  { en: '{1} It came from {2}.', es: '{1} Viene de {2}.', pt: '{1} Veio de {2}.' },
  { en: 'addMetric needs a function', es: 'addMetric necesita una función', pt: 'addMetric precisa de uma função' }
]

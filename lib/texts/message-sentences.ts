import type { Sentence } from './sentence.ts'

/** Of messages, and of what becomes of them. */
export const messageSentences: readonly Sentence[] = [
  { en: '{1} is none of {2}.', es: '{1} no es ninguno de {2}.', pt: '{1} não é nenhum de {2}.' },
  { en: 'The payload is not JSON: {1}.', es: 'El contenido no es JSON: {1}.', pt: 'O conteúdo não é JSON: {1}.' },
  { en: 'The payload is not UTF-8.', es: 'El contenido no es UTF-8.', pt: 'O conteúdo não é UTF-8.' },
  {
    en: 'The payload would take {1} of memory, and at most {2} are allowed: send fewer or shorter fields.',
    es: 'El contenido ocuparía {1} de memoria, y se permiten {2}: enviar menos campos, o más cortos.',
    pt: 'O conteúdo ocuparia {1} de memória, e são permitidos {2}: envie menos campos, ou mais curtos.'
  },
  { en: 'The payload is nested deeper than {1} levels.', es: 'El contenido tiene más de {1} niveles anidados.', pt: 'O conteúdo tem mais de {1} níveis aninhados.' },
  { en: 'The payload', es: 'El contenido', pt: 'O conteúdo' },
  { en: '{1} breaks the contract.', es: '{1} incumple el contrato.', pt: '{1} não cumpre o contrato.' },
  {
    en: '{1} must be {2} to {3} printable characters; a UUID is recommended, a chip id is fine.',
    es: '{1} debe tener de {2} a {3} caracteres visibles; se recomienda un UUID, sirve el id de un chip.',
    pt: '{1} deve ter de {2} a {3} caracteres visíveis; um UUID é recomendado, o id de um chip serve.'
  },
  {
    en: '{1} must be a finite number, a boolean, or a string of at most 1 KiB.',
    es: '{1} debe ser un número finito, un booleano o un texto de 1 KiB como máximo.',
    pt: '{1} deve ser um número finito, um booleano ou um texto de no máximo 1 KiB.'
  },
  {
    en: '{1} must be ms since 1970 (s, µs and ns are recognised), or ISO 8601 (UTC where it names no zone); absent: the time of receipt.',
    es: '{1} debe estar en ms desde 1970 (s, µs y ns se reconocen) o en ISO 8601 (UTC si no nombra zona); sin él vale la hora de recepción.',
    pt: '{1} deve estar em ms desde 1970 (s, µs e ns são reconhecidos) ou em ISO 8601 (UTC se não indica fuso); sem ele vale a hora do recebimento.'
  },
  {
    en: '{1} must be Unicode text: it has half a surrogate pair, or a NUL.',
    es: '{1} debe ser texto Unicode: tiene medio par suplente o un NUL.',
    pt: '{1} deve ser texto Unicode: tem meio par substituto ou um NUL.'
  },
  { en: '{1} must be at most {2} bytes of UTF-8.', es: '{1} debe tener {2} bytes de UTF-8 como máximo.', pt: '{1} deve ter no máximo {2} bytes de UTF-8.' },
  {
    en: '{1} must be a whole number from {2} to {3}, and is {4}.',
    es: '{1} debe ser un número entero de {2} a {3}, y es {4}.',
    pt: '{1} deve ser um número inteiro de {2} a {3}, e é {4}.'
  },
  {
    en: '{1}: the type {2} is given twice: send one metric of a type per message.',
    es: '{1}: el tipo {2} está repetido: enviar una métrica de cada tipo por mensaje.',
    pt: '{1}: o tipo {2} está repetido: envie uma métrica de cada tipo por mensagem.'
  },
  {
    en: '{1} {2} more metrics of the message were left out.',
    es: '{1} Se omitieron {2} métricas más del mensaje.',
    pt: '{1} Mais {2} métricas da mensagem foram deixadas de fora.'
  },
  {
    en: 'The timestamp {1} is neither ms since 1970 nor ISO 8601.',
    es: 'El timestamp {1} no está en ms desde 1970 ni en ISO 8601.',
    pt: 'O timestamp {1} não está em ms desde 1970 nem em ISO 8601.'
  },
  {
    en: 'The timestamp {1} is too far in the past or in the future: set the sender\'s clock, or send ms since 1970.',
    es: 'El timestamp {1} está demasiado lejos en el pasado o en el futuro: poner en hora el reloj del emisor, o enviar ms desde 1970.',
    pt: 'O timestamp {1} está longe demais no passado ou no futuro: acerte o relógio do remetente, ou envie ms desde 1970.'
  },
  {
    en: 'The timestamp {1} is too far in the past or in the future, and the time of receipt was taken.',
    es: 'El timestamp {1} está demasiado lejos en el pasado o en el futuro, y se tomó la hora de recepción.',
    pt: 'O timestamp {1} está longe demais no passado ou no futuro, e foi usada a hora do recebimento.'
  },
  {
    en: 'The timestamp {1} was taken as {2}, because it is not a time in ms: {3}.',
    es: 'El timestamp {1} se tomó en {2}, porque no es una hora en ms: {3}.',
    pt: 'O timestamp {1} foi lido em {2}, porque não é uma hora em ms: {3}.'
  },
  {
    en: 'The topic {1} is not {2}: messages on it go to subscribers, and are not stored.',
    es: 'El tema {1} no es {2}: sus mensajes llegan a los suscriptores, y no se guardan.',
    pt: 'O tópico {1} não é {2}: as mensagens dele vão aos assinantes, e não são gravadas.'
  },
  { en: 'The user may not speak for this agent.', es: 'El usuario no puede hablar por este agente.', pt: 'O usuário não pode falar por este agente.' },
  {
    en: 'The user, or all anonymous clients together, speak for as many agents as the limit agentsPerUser allows.',
    es: 'El usuario, o todos los clientes anónimos juntos, ya hablan por tantos agentes como permite el límite agentsPerUser.',
    pt: 'O usuário, ou todos os clientes anônimos juntos, já falam por tantos agentes quantos o limite agentsPerUser permite.'
  },
  {
    en: '{1} message was stored without msg.delivery and msg._msgid as agent-in sent them.',
    es: '{1} mensaje se guardó sin msg.delivery ni msg._msgid tal como los envió agent-in.',
    pt: '{1} mensagem foi gravada sem msg.delivery e msg._msgid como agent-in os enviou.'
  },
  {
    en: '{1} messages were stored without msg.delivery and msg._msgid as agent-in sent them.',
    es: '{1} mensajes se guardaron sin msg.delivery ni msg._msgid tal como los envió agent-in.',
    pt: '{1} mensagens foram gravadas sem msg.delivery e msg._msgid como agent-in os enviou.'
  },
  { en: '{1} message was not stored within {2} s.', es: '{1} mensaje no se guardó en {2} s.', pt: '{1} mensagem não foi gravada em {2} s.' },
  { en: '{1} messages were not stored within {2} s.', es: '{1} mensajes no se guardaron en {2} s.', pt: '{1} mensagens não foram gravadas em {2} s.' },
  { en: 'agent-in was removed', es: 'se quitó agent-in', pt: 'agent-in foi removido' },
  { en: 'its client left before its turn came', es: 'su cliente se fue antes de que llegara su turno', pt: 'o cliente saiu antes da sua vez' },
  { en: 'The message has no topic.', es: 'El mensaje no tiene tema.', pt: 'A mensagem não tem tópico.' },
  { en: 'The topic {1} has a wildcard.', es: 'El tema {1} tiene un comodín.', pt: 'O tópico {1} tem um curinga.' },
  { en: 'The topic has a NUL.', es: 'El tema tiene un NUL.', pt: 'O tópico tem um NUL.' },
  { en: 'The topic is longer than 65,535 bytes.', es: 'El tema tiene más de 65.535 bytes.', pt: 'O tópico tem mais de 65.535 bytes.' },
  {
    en: 'The template {1} needs {type}: a value alone does not say of which metric it is.',
    es: 'La plantilla {1} necesita {type}: un valor solo no dice de qué métrica es.',
    pt: 'O modelo {1} precisa de {type}: um valor sozinho não diz de que métrica é.'
  },
  {
    en: 'The template {1} needs a message of the contract: {2}',
    es: 'La plantilla {1} necesita un mensaje del contrato: {2}',
    pt: 'O modelo {1} precisa de uma mensagem do contrato: {2}'
  },
  {
    en: 'The template {1} needs {2}, which the message does not have.',
    es: 'La plantilla {1} necesita {2}, que el mensaje no tiene.',
    pt: 'O modelo {1} precisa de {2}, que a mensagem não tem.'
  },
  {
    en: 'The template {1} makes one level of {2}, and {3} has a slash.',
    es: 'La plantilla {1} hace un nivel de {2}, y {3} tiene una barra.',
    pt: 'O modelo {1} faz um nível de {2}, e {3} tem uma barra.'
  },
  { en: 'The template {1} gives {2}, which begins with $.', es: 'La plantilla {1} da {2}, que empieza con $.', pt: 'O modelo {1} dá {2}, que começa com $.' },
  { en: 'The payload cannot be written as JSON: {1}.', es: 'El contenido no se puede escribir como JSON: {1}.', pt: 'O conteúdo não pode ser escrito como JSON: {1}.' },
  { en: 'The payload cannot be written as JSON.', es: 'El contenido no se puede escribir como JSON.', pt: 'O conteúdo não pode ser escrito como JSON.' },
  { en: 'the payload', es: 'el contenido', pt: 'o conteúdo' }
]

import type { Sentence } from './sentence.ts'

/** Of nodes and their endpoints. */
export const nodeSentences: readonly Sentence[] = [
  {
    en: 'No database is chosen, or it is disabled.',
    es: 'No se ha elegido una base de datos, o está deshabilitada.',
    pt: 'Nenhum banco de dados foi escolhido, ou ele está desabilitado.'
  },
  { en: 'There is no such database.', es: 'No existe esa base de datos.', pt: 'Esse banco de dados não existe.' },
  { en: 'The database is not deployed.', es: 'La base de datos no está desplegada: falta el deploy.', pt: 'O banco de dados não está implantado: falta o deploy.' },
  {
    en: 'The user and password of this node were lost with the credentials of the flows.',
    es: 'El usuario y la contraseña de este nodo se perdieron con las credenciales de los flujos.',
    pt: 'O usuário e a senha deste nó se perderam com as credenciais dos fluxos.'
  },
  { en: 'What was saved as {1} cannot be read.', es: 'No se puede leer lo que se guardó como {1}.', pt: 'Não é possível ler o que foi gravado como {1}.' },
  {
    en: 'The property {1} is the variable {2}, which is not set.',
    es: 'La propiedad {1} es la variable {2}, que no está definida.',
    pt: 'A propriedade {1} é a variável {2}, que não está definida.'
  },
  {
    en: 'The property {1} has a variable in it, which is not replaced there.',
    es: 'La propiedad {1} contiene una variable, y ahí no se sustituye.',
    pt: 'A propriedade {1} contém uma variável, que ali não é substituída.'
  },
  {
    en: 'The property {1} has a text that MQTT cannot carry: with a NUL, with half a surrogate pair, or of more than 65,535 bytes.',
    es: 'La propiedad {1} tiene un texto que MQTT no puede llevar: con un NUL, con medio par suplente, o de más de 65.535 bytes.',
    pt: 'A propriedade {1} tem um texto que o MQTT não pode levar: com um NUL, com meio par substituto, ou de mais de 65.535 bytes.'
  },
  {
    en: 'The property "responseTopic" is no topic that can be published to: it has a wildcard, a NUL, or more than 65,535 bytes.',
    es: 'La propiedad "responseTopic" no es un tema en el que se pueda publicar: tiene un comodín, un NUL o más de 65.535 bytes.',
    pt: 'A propriedade "responseTopic" não é um tópico em que se possa publicar: tem um curinga, um NUL ou mais de 65.535 bytes.'
  },
  { en: 'The body is not JSON.', es: 'El cuerpo no es JSON.', pt: 'O corpo não é JSON.' },
  { en: '{1} is no list of {2}.', es: '{1} no es una lista de {2}.', pt: '{1} não é uma lista de {2}.' },
  { en: 'open is no list of at most {1} uuids.', es: 'open no es una lista de {1} uuid como máximo.', pt: 'open não é uma lista de no máximo {1} uuids.' },
  { en: 'search is no text of at most {1} characters.', es: 'search no es un texto de {1} caracteres como máximo.', pt: 'search não é um texto de no máximo {1} caracteres.' },
  { en: '{1} is no whole number from 1 to {2}.', es: '{1} no es un número entero de 1 a {2}.', pt: '{1} não é um número inteiro de 1 a {2}.' },
  { en: '{1} is missing, or is no text.', es: '{1} falta, o no es un texto.', pt: '{1} falta, ou não é um texto.' },
  {
    en: 'rules is not an array of at most {1} rules {subject, username, access, topic}.',
    es: 'rules no es una lista de {1} reglas {subject, username, access, topic} como máximo.',
    pt: 'rules não é uma lista de no máximo {1} regras {subject, username, access, topic}.'
  },
  { en: 'password is not a string of 1 to {1} bytes.', es: 'password no es un texto de 1 a {1} bytes.', pt: 'password não é um texto de 1 a {1} bytes.' },
  { en: 'text is not a string of at most {1} characters.', es: 'text no es un texto de {1} caracteres como máximo.', pt: 'text não é um texto de no máximo {1} caracteres.' },
  { en: 'Rejected, from client {1} on {2}: {3}: {4}', es: 'Rechazado, del cliente {1} en {2}: {3}: {4}', pt: 'Recusado, do cliente {1} em {2}: {3}: {4}' },
  { en: 'Client {1}: {2}', es: 'Cliente {1}: {2}', pt: 'Cliente {1}: {2}' },
  {
    en: 'Metrics were left out, and the others of their message stored: {1}',
    es: 'Se omitieron métricas, y las demás de su mensaje se guardaron: {1}',
    pt: 'Métricas foram deixadas de fora, e as outras da mensagem foram gravadas: {1}'
  },
  { en: '{1} And {2} more like it in the last {3} s.', es: '{1} Y {2} más como este en los últimos {3} s.', pt: '{1} E mais {2} como este nos últimos {3} s.' },
  { en: '{1} And {2} more.', es: '{1} Y {2} más.', pt: '{1} E mais {2}.' },
  {
    en: 'The rule {1} has no such {2}: {3}.',
    es: 'La regla {1} no puede tener esto como {2}: {3}.',
    pt: 'A regra {1} não pode ter isto como {2}: {3}.'
  },
  {
    en: 'The rule {1} needs a number as {2}.',
    es: 'La regla {1} necesita un número como {2}.',
    pt: 'A regra {1} precisa de um número como {2}.'
  },
  {
    en: 'The rule {1} needs seconds as {2}.',
    es: 'La regla {1} necesita segundos como {2}.',
    pt: 'A regra {1} precisa de segundos como {2}.'
  },
  {
    en: 'The rule {1} needs types.',
    es: 'La regla {1} necesita tipos.',
    pt: 'A regra {1} precisa de tipos.'
  },
  {
    en: 'The rule {1} has the id of another one.',
    es: 'La regla {1} tiene el id de otra.',
    pt: 'A regra {1} tem o id de outra.'
  },
  {
    en: 'The rule {1} could not end: where it ends is wrong itself.',
    es: 'La regla {1} no podría terminar: el valor con que termina tampoco es correcto.',
    pt: 'A regra {1} não poderia terminar: o valor com que termina também não é correto.'
  },
  {
    en: 'The maintenance {1} needs minutes.',
    es: 'El mantenimiento {1} necesita minutos.',
    pt: 'A manutenção {1} precisa de minutos.'
  },
  {
    en: '{1} is no cron line: minute, hour, day, month and day of the week, such as 0 2 * * 0.',
    es: '{1} no es una línea de cron: minuto, hora, día, mes y día de la semana, como 0 2 * * 0.',
    pt: '{1} não é uma linha de cron: minuto, hora, dia, mês e dia da semana, como 0 2 * * 0.'
  },
  {
    en: 'There is no time zone {1}; one is Europe/Madrid.',
    es: 'No hay una zona horaria {1}; una es Europe/Madrid.',
    pt: 'Não há um fuso horário {1}; um deles é America/Sao_Paulo.'
  },
  {
    en: 'The rules are about more than {1} series and agents.',
    es: 'Las reglas tratan de más de {1} series y agentes.',
    pt: 'As regras tratam de mais de {1} séries e agentes.'
  },
  {
    en: 'msg.topic is none of silence, acknowledge, test and state.',
    es: 'msg.topic no es silence, acknowledge, test ni state.',
    pt: 'msg.topic não é silence, acknowledge, test nem state.'
  },
  {
    en: '{1} is not a text.',
    es: '{1} no es un texto.',
    pt: '{1} não é um texto.'
  },
  {
    en: 'until is no time to come: ms since 1970, ISO 8601, or seconds from now such as 3600.',
    es: 'until no es un momento: ms desde 1970, ISO 8601 o segundos a partir de ahora, como 3600.',
    pt: 'until não é um momento: ms desde 1970, ISO 8601 ou segundos a partir de agora, como 3600.'
  },
  {
    en: 'There is no rule {1}.',
    es: 'No existe la regla {1}.',
    pt: 'Não existe a regra {1}.'
  }
]

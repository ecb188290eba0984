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
  { en: 'the payload', es: 'el contenido', pt: 'o conteúdo' },
  // Of "Other topics": what is wrong with a row, and what its payloads lack.
  { en: 'Row {1}: {2}', es: 'Fila {1}: {2}', pt: 'Linha {1}: {2}' },
  {
    en: '{1} {2} more metrics or messages of the publication were left out.',
    es: '{1} Se omitieron {2} métricas o mensajes más de la publicación.',
    pt: '{1} Mais {2} métricas ou mensagens da publicação foram deixadas de fora.'
  },
  { en: 'The broker runs elsewhere.', es: 'El broker es externo.', pt: 'O broker é externo.' },
  { en: 'rules is no list of at most {1} rows.', es: 'rules no es una lista de {1} filas como mucho.', pt: 'rules não é uma lista de no máximo {1} linhas.' },
  { en: 'The broker is not deployed.', es: 'El broker no está desplegado.', pt: 'O broker não está implantado.' },
  { en: 'The message is too long to be tried here.', es: 'El mensaje es demasiado largo para probarlo aquí.', pt: 'A mensagem é longa demais para ser testada aqui.' },
  { en: 'It is no row.', es: 'No es una fila.', pt: 'Não é uma linha.' },
  { en: 'There is no topic.', es: 'Falta el tema.', pt: 'Falta o tópico.' },
  {
    en: 'In the topic {1}, {2} is no name: a name has letters and digits, and stands for a whole level, such as {uuid}.',
    es: 'En el tema {1}, {2} no es un nombre: un nombre tiene letras y cifras y ocupa un nivel entero, como {uuid}.',
    pt: 'No tópico {1}, {2} não é um nome: um nome tem letras e dígitos e ocupa um nível inteiro, como {uuid}.'
  },
  { en: 'The topic {1} has the name {{2}} twice.', es: 'El tema {1} tiene dos veces el nombre {{2}}.', pt: 'O tópico {1} tem duas vezes o nome {{2}}.' },
  {
    en: 'The topic {1} is no topic filter: + stands for a whole level, and # only at the end.',
    es: 'El tema {1} no es un filtro de temas: + ocupa un nivel entero, y # solo va al final.',
    pt: 'O tópico {1} não é um filtro de tópicos: + ocupa um nível inteiro, e # fica só no final.'
  },
  { en: 'The topic {1} is the broker\'s own: nobody publishes on it.', es: 'El tema {1} es del propio broker: nadie publica en él.', pt: 'O tópico {1} é do próprio broker: ninguém publica nele.' },
  {
    en: 'The topic {1} is one of the three of agents, which need no row.',
    es: 'El tema {1} es uno de los tres de los agentes, que no necesitan fila.',
    pt: 'O tópico {1} é um dos três dos agentes, que não precisam de linha.'
  },
  { en: 'The topic {1} is the one of row {2}, which reads it.', es: 'El tema {1} es el de la fila {2}, que lo lee.', pt: 'O tópico {1} é o da linha {2}, que o lê.' },
  { en: 'There is no format {1}.', es: 'No existe el formato {1}.', pt: 'Não existe o formato {1}.' },
  { en: 'There is no unit of time {1}: it is one of {2}.', es: 'No existe la unidad de tiempo {1}: es una de {2}.', pt: 'Não existe a unidade de tempo {1}: é uma de {2}.' },
  { en: 'Its field {1} is no text.', es: 'Su campo {1} no es un texto.', pt: 'O seu campo {1} não é um texto.' },
  { en: 'Its field {1} is no list of texts.', es: 'Su campo {1} no es una lista de textos.', pt: 'O seu campo {1} não é uma lista de textos.' },
  { en: 'Its field {1} is no object.', es: 'Su campo {1} no es un objeto.', pt: 'O seu campo {1} não é um objeto.' },
  { en: 'The {1} {2} has a brace too many.', es: '{1}: a {2} le sobra una llave.', pt: '{1}: em {2} sobra uma chave.' },
  {
    en: 'The {1} {2} needs {{3}}, which the topic does not have: a field of the payload is {$.field}.',
    es: '{1}: {2} necesita {{3}}, que el tema no tiene: un campo del contenido se escribe {$.field}.',
    pt: '{1}: {2} precisa de {{3}}, que o tópico não tem: um campo do conteúdo se escreve {$.field}.'
  },
  { en: 'The {1} {2} needs {{3}}, which the topic does not have.', es: '{1}: {2} necesita {{3}}, que el tema no tiene.', pt: '{1}: {2} precisa de {{3}}, que o tópico não tem.' },
  {
    en: 'The {1} {2} needs a field, which a payload of the format {3} does not have.',
    es: '{1}: {2} necesita un campo, y un contenido de formato {3} no los tiene.',
    pt: '{1}: {2} precisa de um campo, e um conteúdo do formato {3} não os tem.'
  },
  {
    en: 'Nothing tells the agents of {1} apart: call a level of the topic {uuid}, or say what the uuid is.',
    es: 'Nada distingue a los agentes de {1}: llamar {uuid} a un nivel del tema, o decir cuál es el uuid.',
    pt: 'Nada distingue os agentes de {1}: chame um nível do tópico de {uuid}, ou diga qual é o uuid.'
  },
  {
    en: 'The payload does not have {1}, of which the uuid is made.',
    es: 'El contenido no tiene {1}, de donde sale el uuid.',
    pt: 'O conteúdo não tem {1}, de onde vem o uuid.'
  },
  { en: 'The time {1} is not a time.', es: 'La hora {1} no es una hora.', pt: 'A hora {1} não é uma hora.' },
  { en: 'The time {1} is not ISO 8601.', es: 'La hora {1} no está en ISO 8601.', pt: 'A hora {1} não está em ISO 8601.' },
  { en: 'The time {1} is not a number of {2}.', es: 'La hora {1} no es un número de {2}.', pt: 'A hora {1} não é um número de {2}.' },
  {
    en: 'The payload is one value, and no object: read this topic as a value.',
    es: 'El contenido es un solo valor, no un objeto: leer este tema como valor.',
    pt: 'O conteúdo é um só valor, não um objeto: leia este tópico como valor.'
  },
  {
    en: 'The payload is an object or a list: read this topic as JSON.',
    es: 'El contenido es un objeto o una lista: leer este tema como JSON.',
    pt: 'O conteúdo é um objeto ou uma lista: leia este tópico como JSON.'
  },
  {
    en: 'A payload that is one text has no time: leave the time empty.',
    es: 'Un contenido que es un solo texto no tiene hora: dejar la hora vacía.',
    pt: 'Um conteúdo que é um só texto não tem hora: deixe a hora vazia.'
  },
  {
    en: 'The text {1} cannot say both that an agent is there and that it is not.',
    es: 'El texto {1} no puede decir a la vez que un agente está y que no está.',
    pt: 'O texto {1} não pode dizer ao mesmo tempo que um agente está e que não está.'
  },
  {
    en: '{1} says neither that the agent is there ({2}) nor that it is not ({3}).',
    es: '{1} no dice ni que el agente está ({2}) ni que no está ({3}).',
    pt: '{1} não diz nem que o agente está ({2}) nem que não está ({3}).'
  },
  // What is wrong with a payload of another topic, by its format.
  { en: 'a name is missing.', es: 'falta un nombre.', pt: 'falta um nome.' },
  { en: 'the tag {1} has no value.', es: 'la etiqueta {1} no tiene valor.', pt: 'a tag {1} não tem valor.' },
  { en: 'the field {1} has no value.', es: 'el campo {1} no tiene valor.', pt: 'o campo {1} não tem valor.' },
  {
    en: '{1} has no field: a line is "measurement,tag=text field=1 time".',
    es: '{1} no tiene ningún campo: una línea es "medida,etiqueta=texto campo=1 hora".',
    pt: '{1} não tem nenhum campo: uma linha é "medida,tag=texto campo=1 hora".'
  },
  {
    en: '{1} is no time: after the fields comes a whole number, or the end of the line.',
    es: '{1} no es una hora: tras los campos viene un número entero o el final de la línea.',
    pt: '{1} não é uma hora: depois dos campos vem um número inteiro ou o fim da linha.'
  },
  { en: '{1} comes after the end of the line.', es: '{1} viene tras el final de la línea.', pt: '{1} vem depois do fim da linha.' },
  { en: 'the text of the field {1} goes on after its quote.', es: 'el texto del campo {1} sigue tras su comilla.', pt: 'o texto do campo {1} continua depois das aspas.' },
  { en: 'the text of the field {1} has no end.', es: 'el texto del campo {1} no termina.', pt: 'o texto do campo {1} não termina.' },
  {
    en: 'the field {1} has the value {2}: it has to be a number, true, false, or a text in double quotes.',
    es: 'el campo {1} tiene el valor {2}: tiene que ser un número, true, false o un texto entre comillas dobles.',
    pt: 'o campo {1} tem o valor {2}: precisa ser um número, true, false ou um texto entre aspas duplas.'
  },
  {
    en: 'The payload has more than {1} metrics, or is more than {2} messages, because its lines have different times or agents: send fewer lines at a time.',
    es: 'El contenido tiene más de {1} métricas, o son más de {2} mensajes, porque sus líneas tienen horas o agentes distintos: enviar menos líneas de una vez.',
    pt: 'O conteúdo tem mais de {1} métricas, ou são mais de {2} mensagens, porque as suas linhas têm horas ou agentes diferentes: envie menos linhas de cada vez.'
  },
  {
    en: 'A time of the format {1} is a number: choose s, ms, µs or ns.',
    es: 'Una hora del formato {1} es un número: elegir s, ms, µs o ns.',
    pt: 'Uma hora do formato {1} é um número: escolha s, ms, µs ou ns.'
  },
  {
    en: 'Measurement {1} is none of Telegraf: it has to have a name and fields.',
    es: 'La medida {1} no es de Telegraf: tiene que tener name y fields.',
    pt: 'A medida {1} não é do Telegraf: precisa ter name e fields.'
  },
  {
    en: '{1} cannot part columns: choose one character, such as ; or \\t.',
    es: '{1} no puede separar columnas: elegir un solo carácter, como ; o \\t.',
    pt: '{1} não pode separar colunas: escolha um só caractere, como ; ou \\t.'
  },
  { en: 'The payload is no CSV that fits the row: {1}', es: 'El contenido no es un CSV que encaje con la fila: {1}', pt: 'O conteúdo não é um CSV que se encaixe na linha: {1}' },
  { en: 'a quote has no end.', es: 'una comilla no se cierra.', pt: 'uma aspa não se fecha.' },
  { en: 'a cell goes on after its quote.', es: 'una celda sigue tras su comilla.', pt: 'uma célula continua depois das aspas.' },
  { en: 'a quote is in the middle of a cell.', es: 'hay una comilla en medio de una celda.', pt: 'há aspas no meio de uma célula.' },
  { en: '{1} has {2} columns, and {3} have names.', es: '{1} tiene {2} columnas, y {3} tienen nombre.', pt: '{1} tem {2} colunas, e {3} têm nome.' },
  {
    en: 'The payload does not have {1}, of which the types are made.',
    es: 'El contenido no tiene {1}, de donde salen los tipos.',
    pt: 'O conteúdo não tem {1}, de onde vêm os tipos.'
  },
  { en: 'The payload is not Sparkplug B: {1}', es: 'El contenido no es Sparkplug B: {1}', pt: 'O conteúdo não é Sparkplug B: {1}' },
  { en: 'a field has the number 0.', es: 'un campo tiene el número 0.', pt: 'um campo tem o número 0.' },
  { en: 'a field has the wire type {1}.', es: 'un campo tiene el tipo de codificación {1}.', pt: 'um campo tem o tipo de codificação {1}.' },
  { en: 'a number is longer than 64 bits.', es: 'un número tiene más de 64 bits.', pt: 'um número tem mais de 64 bits.' },
  { en: 'it ends in the middle of a field.', es: 'termina en medio de un campo.', pt: 'termina no meio de um campo.' },
  { en: 'a metric has neither a name nor an alias.', es: 'una métrica no tiene ni nombre ni alias.', pt: 'uma métrica não tem nem nome nem alias.' },
  {
    en: 'No birth of {1} that was seen since the start gave the alias {2} a name: its node is asked for one on {3}.',
    es: 'Ningún nacimiento de {1} visto desde el arranque le dio nombre al alias {2}: se le pide uno a su nodo en {3}.',
    pt: 'Nenhum nascimento de {1} visto desde o início deu nome ao alias {2}: pede-se um ao seu nó em {3}.'
  },
  {
    en: 'No birth of {1} that was seen since the start gave {2} a data type: its node is asked for one on {3}.',
    es: 'Ningún nacimiento de {1} visto desde el arranque le dio un tipo de datos a {2}: se le pide uno a su nodo en {3}.',
    pt: 'Nenhum nascimento de {1} visto desde o início deu um tipo de dados a {2}: pede-se um ao seu nó em {3}.'
  },
  { en: 'The payload has more than {1} values: send fewer at a time.', es: 'El contenido tiene más de {1} valores: enviar menos de una vez.', pt: 'O conteúdo tem mais de {1} valores: envie menos de cada vez.' }
]

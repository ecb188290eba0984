import type { Sentence } from './sentence.ts'

/** Of the broker: listeners, certificates, users, rules, commands. */
export const brokerSentences: readonly Sentence[] = [
  { en: 'The certificate cannot be read: {1}.', es: 'No se puede leer el certificado: {1}.', pt: 'Não é possível ler o certificado: {1}.' },
  { en: 'The private key is not the one of the certificate.', es: 'La clave privada no es la del certificado.', pt: 'A chave privada não é a do certificado.' },
  { en: 'The private key cannot be read: {1}.', es: 'No se puede leer la clave privada: {1}.', pt: 'Não é possível ler a chave privada: {1}.' },
  { en: 'TLS does not take the certificate: {1}.', es: 'TLS no acepta el certificado: {1}.', pt: 'O TLS não aceita o certificado: {1}.' },
  { en: 'The PKCS#12 file cannot be opened: {1}.', es: 'No se puede abrir el archivo PKCS#12: {1}.', pt: 'Não é possível abrir o arquivo PKCS#12: {1}.' },
  {
    en: 'The PKCS#12 file cannot be opened: {1} (is the passphrase right?).',
    es: 'No se puede abrir el archivo PKCS#12: {1} (¿es correcta la frase de contraseña?).',
    pt: 'Não é possível abrir o arquivo PKCS#12: {1} (a frase secreta está certa?).'
  },
  { en: 'The PKCS#12 file has no certificate.', es: 'El archivo PKCS#12 no tiene ningún certificado.', pt: 'O arquivo PKCS#12 não tem certificado.' },
  { en: 'The certificate expired on {1}.', es: 'El certificado caducó el {1}.', pt: 'O certificado expirou em {1}.' },
  { en: 'The listener has no certificate.', es: 'El puerto de escucha no tiene certificado.', pt: 'A porta de escuta não tem certificado.' },
  {
    en: 'Client certificates are asked for, and there is no CA certificate to check them against.',
    es: 'Se piden certificados a los clientes, y no hay un certificado de CA con que comprobarlos.',
    pt: 'Certificados são exigidos dos clientes, e não há um certificado de CA para verificá-los.'
  },
  { en: '{1} is not a port.', es: '{1} no es un puerto.', pt: '{1} não é uma porta.' },
  {
    en: 'The host is more than a name or an address.',
    es: 'El host es más que un nombre o una dirección.',
    pt: 'O host é mais do que um nome ou um endereço.'
  },
  { en: 'The host {1} is unknown.', es: 'No se conoce el host {1}.', pt: 'O host {1} é desconhecido.' },
  {
    en: 'The broker has no users, and {1} is not loopback.',
    es: 'El broker no tiene usuarios, y {1} no es la interfaz local (loopback).',
    pt: 'O broker não tem usuários, e {1} não é a interface local (loopback).'
  },
  { en: 'Port {1} is taken.', es: 'El puerto {1} está ocupado.', pt: 'A porta {1} está ocupada.' },
  { en: 'Port {1} may not be opened.', es: 'No se permite abrir el puerto {1}.', pt: 'Não é permitido abrir a porta {1}.' },
  { en: '{1} is not an address of this machine.', es: '{1} no es una dirección de esta máquina.', pt: '{1} não é um endereço desta máquina.' },
  { en: '{1} was written by a newer version.', es: '{1} es de una versión más nueva.', pt: '{1} foi gravado por uma versão mais nova.' },
  { en: '{1} is damaged: {2}.', es: '{1} está dañado: {2}.', pt: '{1} está danificado: {2}.' },
  { en: '{1} was removed while it was open.', es: '{1} se borró mientras estaba abierto.', pt: '{1} foi apagado enquanto estava aberto.' },
  { en: 'Record {1} of {2} cannot be read.', es: 'No se puede leer el registro {1} de {2}.', pt: 'Não é possível ler o registro {1} de {2}.' },
  { en: '{1} was replaced while it was open.', es: '{1} se sustituyó mientras estaba abierto.', pt: '{1} foi substituído enquanto estava aberto.' },
  { en: '{1} is being written by another program.', es: 'Otro programa está escribiendo en {1}.', pt: 'Outro programa está gravando em {1}.' },
  { en: '{1} is in use by another broker.', es: '{1} está en uso por otro broker.', pt: '{1} está em uso por outro broker.' },
  { en: '{1} is damaged, or something else.', es: '{1} está dañado, o es otra cosa.', pt: '{1} está danificado, ou é outra coisa.' },
  { en: '{1} cannot be written: {2}.', es: 'No se puede escribir en {1}: {2}.', pt: 'Não é possível gravar em {1}: {2}.' },
  { en: '{1} cannot be written: {2}. Messages come all the same.', es: 'No se puede escribir en {1}: {2}. Los mensajes llegan de todos modos.', pt: 'Não é possível gravar em {1}: {2}. As mensagens chegam mesmo assim.' },
  { en: 'The topic {1} may not be published to.', es: 'No se permite publicar en el tema {1}.', pt: 'Não é permitido publicar no tópico {1}.' },
  {
    en: '{1} client ids are kept out already: this one is not.',
    es: 'Ya se deja fuera a {1} ids de cliente: a este no.',
    pt: '{1} ids de cliente já são mantidos fora: este não.'
  },
  { en: 'The broker is closed.', es: 'El broker está cerrado.', pt: 'O broker está fechado.' },
  { en: 'The broker is not there.', es: 'El broker no está.', pt: 'O broker não existe.' },
  { en: 'The broker is not open.', es: 'El broker no está abierto.', pt: 'O broker não está aberto.' },
  { en: 'No broker is chosen.', es: 'No se ha elegido un broker.', pt: 'Nenhum broker foi escolhido.' },
  { en: 'There is no such broker.', es: 'No existe ese broker.', pt: 'Esse broker não existe.' },
  { en: 'A deploy came in between: nothing was reloaded.', es: 'Un deploy se interpuso: no se recargó nada.', pt: 'Houve um deploy no meio: nada foi recarregado.' },
  {
    en: 'The broker had {1} users, and the credentials of the flows have none.',
    es: 'El broker tenía {1} usuarios, y en las credenciales de los flujos no hay ninguno.',
    pt: 'O broker tinha {1} usuários, e nas credenciais dos fluxos não há nenhum.'
  },
  { en: 'The users that were saved cannot be read.', es: 'Los usuarios guardados no se pueden leer.', pt: 'Os usuários salvos não podem ser lidos.' },
  { en: 'The rule for {1}: {2}', es: 'La regla para {1}: {2}', pt: 'A regra para {1}: {2}' },
  { en: 'MQTT cannot be served at {1}.', es: 'No se puede servir MQTT en {1}.', pt: 'Não é possível servir MQTT em {1}.' },
  { en: 'The subject must be everyone, anonymous or user.', es: 'El sujeto debe ser everyone, anonymous o user.', pt: 'O sujeito deve ser everyone, anonymous ou user.' },
  { en: 'The username is missing.', es: 'Falta el nombre de usuario.', pt: 'Falta o nome de usuário.' },
  {
    en: 'The username has a control character, or a space at its start or end.',
    es: 'El nombre de usuario tiene un carácter de control, o un espacio al principio o al final.',
    pt: 'O nome de usuário tem um caractere de controle, ou um espaço no início ou no fim.'
  },
  { en: 'The access must be read, write, readwrite or deny.', es: 'El acceso debe ser read, write, readwrite o deny.', pt: 'O acesso deve ser read, write, readwrite ou deny.' },
  { en: 'The topic is missing.', es: 'Falta el tema.', pt: 'Falta o tópico.' },
  {
    en: 'The topic has a control character, or a space at its start or end.',
    es: 'El tema tiene un carácter de control, o un espacio al principio o al final.',
    pt: 'O tópico tem um caractere de controle, ou um espaço no início ou no fim.'
  },
  {
    en: 'A shared subscription is checked by its filter: leave out "$share" and the group.',
    es: 'Una suscripción compartida se comprueba por su filtro: omitir «$share» y el grupo.',
    pt: 'Uma assinatura compartilhada é verificada pelo seu filtro: omita "$share" e o grupo.'
  },
  {
    en: 'The topic is not a filter: + and # stand alone between slashes, # at the end; at most 65,535 bytes.',
    es: 'El tema no es un filtro: + y # van solos entre barras, # al final; como máximo, 65.535 bytes.',
    pt: 'O tópico não é um filtro: + e # ficam sozinhos entre barras, # no fim; no máximo 65.535 bytes.'
  },
  { en: 'In the topic, %u and %c stand alone between slashes.', es: 'En el tema, %u y %c van solos entre barras.', pt: 'No tópico, %u e %c ficam sozinhos entre barras.' },
  {
    en: 'This line belongs to no known user: correct the user line above it.',
    es: 'No se sabe a quién se refiere esta línea: corregir la línea user que la precede.',
    pt: 'Esta linha não pertence a um usuário conhecido: corrija a linha user acima dela.'
  },
  { en: 'A line starts with user, topic, pattern or #.', es: 'Una línea empieza por user, topic, pattern o #.', pt: 'Uma linha começa com user, topic, pattern ou #.' },
  {
    en: 'The file has no rules: Mosquitto would then refuse everything, this broker would allow everything.',
    es: 'El archivo no tiene reglas: Mosquitto lo rechazaría todo, este broker lo permitiría todo.',
    pt: 'O arquivo não tem regras: o Mosquitto recusaria tudo, este broker permitiria tudo.'
  },
  { en: 'The line is not "username:hash".', es: 'La línea no es «usuario:hash».', pt: 'A linha não é "usuário:hash".' },
  { en: 'The line has no username.', es: 'La línea no tiene nombre de usuario.', pt: 'A linha não tem nome de usuário.' },
  {
    en: 'The user "{1}" is repeated: the last line counts.',
    es: 'El usuario «{1}» está repetido: vale la última línea.',
    pt: 'O usuário "{1}" está repetido: vale a última linha.'
  },
  { en: 'The user "{1}" has no password.', es: 'El usuario «{1}» no tiene contraseña.', pt: 'O usuário "{1}" não tem senha.' },
  {
    en: 'The password of "{1}" is plain text: hash it with "mosquitto_passwd <file> <username>", or with "mosquitto_passwd -U <file>" when no line of the file is hashed.',
    es: 'La contraseña de «{1}» está en claro: calcular su hash con «mosquitto_passwd <archivo> <usuario>», o con «mosquitto_passwd -U <archivo>» si ninguna línea del archivo tiene hash.',
    pt: 'A senha de "{1}" está em texto puro: calcule o hash dela com "mosquitto_passwd <arquivo> <usuário>", ou com "mosquitto_passwd -U <arquivo>" se nenhuma linha do arquivo tem hash.'
  },
  {
    en: 'The password of "{1}" is hashed in a way that is not supported: $7$, $6$ and $scrypt$ are.',
    es: 'El hash de la contraseña de «{1}» es de un tipo que no se admite; se admiten $7$, $6$ y $scrypt$.',
    pt: 'O hash da senha de "{1}" é de um tipo que não é aceito; são aceitos $7$, $6$ e $scrypt$.'
  },
  {
    en: 'The password of "{1}" has a damaged hash: set it again.',
    es: 'El hash de la contraseña de «{1}» está dañado: volver a establecer la contraseña.',
    pt: 'O hash da senha de "{1}" está danificado: defina a senha de novo.'
  },
  {
    en: 'The password of "{1}" has a hash that would take too long to check: set it again with fewer iterations.',
    es: 'Comprobar el hash de la contraseña de «{1}» llevaría demasiado tiempo: volver a establecerla con menos iteraciones.',
    pt: 'Verificar o hash da senha de "{1}" levaria tempo demais: defina-a de novo com menos iterações.'
  },
  { en: 'The payload needs users, rules or both.', es: 'El contenido necesita users, rules o ambos.', pt: 'O conteúdo precisa de users, rules ou ambos.' },
  {
    en: 'rules is empty, which would allow everything: if that is meant, send a rule that says so.',
    es: 'rules está vacío, lo que lo permitiría todo: si es lo que se quiere, enviar una regla que lo diga.',
    pt: 'rules está vazio, o que permitiria tudo: se é isso que se quer, envie uma regra que o diga.'
  },
  { en: 'rules, entry {1}: {2}', es: 'rules, elemento {1}: {2}', pt: 'rules, elemento {1}: {2}' },
  { en: 'users, entry {1}: {2}', es: 'users, elemento {1}: {2}', pt: 'users, elemento {1}: {2}' },
  {
    en: 'users: the text has no user. To let nobody log in, send an empty list.',
    es: 'users: el texto no tiene ningún usuario. Para que no entre nadie, enviar una lista vacía.',
    pt: 'users: o texto não tem nenhum usuário. Para que ninguém entre, envie uma lista vazia.'
  },
  { en: 'the username is given twice.', es: 'el nombre de usuario está repetido.', pt: 'o nome de usuário está repetido.' },
  { en: 'the username is missing.', es: 'falta el nombre de usuario.', pt: 'falta o nome de usuário.' },
  { en: 'it needs a hash or a password, and not both.', es: 'necesita un hash o una contraseña, y no ambos.', pt: 'precisa de um hash ou de uma senha, e não de ambos.' },
  { en: 'the password must be a string of 1 to 65,535 bytes.', es: 'la contraseña debe ser un texto de 1 a 65.535 bytes.', pt: 'a senha deve ser um texto de 1 a 65.535 bytes.' },
  {
    en: 'the hash is of a kind that is not supported: $scrypt$, $7$ and $6$ are.',
    es: 'el hash es de un tipo que no se admite; se admiten $scrypt$, $7$ y $6$.',
    pt: 'o hash é de um tipo que não é aceito; são aceitos $scrypt$, $7$ e $6$.'
  },
  { en: '{1}: a text has at most {2} characters.', es: '{1}: un texto tiene {2} caracteres como máximo.', pt: '{1}: um texto tem no máximo {2} caracteres.' },
  { en: '{1}, line {2}: {3}', es: '{1}, línea {2}: {3}', pt: '{1}, linha {2}: {3}' },
  { en: '{1}, line {2}: {3} ({4} more)', es: '{1}, línea {2}: {3} (y {4} más)', pt: '{1}, linha {2}: {3} (e mais {4})' },
  {
    en: '{1} must be a text or a list of at most {2} entries.',
    es: '{1} debe ser un texto o una lista de {2} elementos como máximo.',
    pt: '{1} deve ser um texto ou uma lista de no máximo {2} elementos.'
  },
  { en: '{1}, entry {2}: it is not an object.', es: '{1}, elemento {2}: no es un objeto.', pt: '{1}, elemento {2}: não é um objeto.' },
  { en: 'The payload needs the id of the question.', es: 'El contenido necesita el id de la pregunta.', pt: 'O conteúdo precisa do id da pergunta.' },
  { en: 'allow must be true or false.', es: 'allow debe ser true o false.', pt: 'allow deve ser true ou false.' },
  {
    en: 'No question with this id is open: it was answered before, or too late.',
    es: 'No hay ninguna pregunta abierta con este id: ya se respondió, o se respondió demasiado tarde.',
    pt: 'Nenhuma pergunta com este id está aberta: já foi respondida, ou tarde demais.'
  },
  { en: 'The payload needs the clientId that is to go.', es: 'El contenido necesita el clientId que se desconecta.', pt: 'O conteúdo precisa do clientId a desconectar.' },
  { en: 'seconds must be a number from 0 up.', es: 'seconds debe ser un número desde 0.', pt: 'seconds deve ser um número a partir de 0.' },
  {
    en: 'The payload needs the clientId whose session is to end.',
    es: 'El contenido necesita el clientId cuya sesión termina.',
    pt: 'O conteúdo precisa do clientId cuja sessão termina.'
  },
  { en: 'No client {1} is connected or has a session.', es: 'Ningún cliente {1} está conectado ni tiene sesión.', pt: 'Nenhum cliente {1} está conectado nem tem sessão.' },
  { en: 'No agent belongs to {1}.', es: 'Ningún agente es de {1}.', pt: 'Nenhum agente pertence a {1}.' },
  {
    en: 'The payload needs the uuid of the agent to forget, or the username whose agents to forget.',
    es: 'El contenido necesita el uuid del agente que se olvida, o el username cuyos agentes se olvidan.',
    pt: 'O conteúdo precisa do uuid do agente a esquecer, ou do username cujos agentes esquecer.'
  },
  { en: 'The agent {1} belongs to nobody.', es: 'El agente {1} no es de nadie.', pt: 'O agente {1} não pertence a ninguém.' },
  {
    en: 'The payload needs the topic whose retained message is to go.',
    es: 'El contenido necesita el tema cuyo mensaje retenido se borra.',
    pt: 'O conteúdo precisa do tópico cuja mensagem retida se apaga.'
  },
  { en: '{1} is not a command.', es: '{1} no es un comando.', pt: '{1} não é um comando.' },
  { en: 'The broker runs elsewhere. {1}', es: 'El broker es externo. {1}', pt: 'O broker é externo. {1}' },
  {
    en: 'Another client seems to use the client id {1}. {2} times in a row the broker ended the connection soon after it had let this worker in.',
    es: 'Otro cliente parece usar el id de cliente {1}. El broker cortó la conexión {2} veces seguidas poco después de aceptar a este worker.',
    pt: 'Outro cliente parece usar o id de cliente {1}. O broker encerrou a conexão {2} vezes seguidas logo depois de aceitar este worker.'
  },
  { en: 'Another client seems to use the client id {1}.', es: 'Otro cliente parece usar el id de cliente {1}.', pt: 'Outro cliente parece usar o id de cliente {1}.' },
  { en: 'There is no address.', es: 'No hay ninguna dirección.', pt: 'Não há nenhum endereço.' },
  {
    en: 'The address {1} must be such as mqtt://192.0.2.1:1883, with mqtt, mqtts, ws or wss; several are separated by blanks or commas.',
    es: 'La dirección {1} debe ser como mqtt://192.0.2.1:1883, con mqtt, mqtts, ws o wss; varias se separan con espacios o comas.',
    pt: 'O endereço {1} deve ser como mqtt://192.0.2.1:1883, com mqtt, mqtts, ws ou wss; vários são separados por espaços ou vírgulas.'
  },
  {
    en: 'The broker says that it has no shared subscriptions.',
    es: 'El broker dice que no tiene suscripciones compartidas.',
    pt: 'O broker diz que não tem assinaturas compartilhadas.'
  },
  {
    en: 'The broker does not know the session of this worker any more.',
    es: 'El broker ya no conoce la sesión de este worker.',
    pt: 'O broker não conhece mais a sessão deste worker.'
  },
  { en: 'The broker gives no more than QoS 0 for: {1}.', es: 'El broker no da más que QoS 0 para: {1}.', pt: 'O broker não dá mais que QoS 0 para: {1}.' },
  { en: 'The broker hung up when it was asked for: {1}.', es: 'El broker cerró la conexión cuando se le pidió: {1}.', pt: 'O broker encerrou a conexão quando lhe foi pedido: {1}.' },
  { en: 'The broker refused: {1}.', es: 'El broker rechazó: {1}.', pt: 'O broker recusou: {1}.' },
  { en: 'The broker refused the connection: {1}.', es: 'El broker rechazó la conexión: {1}.', pt: 'O broker recusou a conexão: {1}.' },
  { en: 'The broker refused the connection with code {1}.', es: 'El broker rechazó la conexión con el código {1}.', pt: 'O broker recusou a conexão com o código {1}.' },
  { en: 'the client id is not accepted', es: 'no acepta el id de cliente', pt: 'não aceita o id de cliente' },
  { en: 'wrong username or password', es: 'usuario o contraseña incorrectos', pt: 'usuário ou senha incorretos' },
  { en: 'not authorized', es: 'sin autorización', pt: 'sem autorização' },
  { en: 'the broker hung up: {1}', es: 'el broker cortó: {1}', pt: 'o broker desligou: {1}' },
  { en: 'the broker hung up with code {1}', es: 'el broker cortó con el código {1}', pt: 'o broker desligou com o código {1}' },
  { en: 'A message on {1} has {2} bytes, of {3} that are taken.', es: 'Un mensaje en {1} tiene {2} bytes, y se aceptan {3}.', pt: 'Uma mensagem em {1} tem {2} bytes, e são aceitos {3}.' },
  {
    en: 'The broker gives this worker no more than {1} messages at one time, and waits for the database after each of these.',
    es: 'El broker da a este worker {1} mensajes a la vez como máximo, y espera a la base de datos después de ellos.',
    pt: 'O broker dá a este worker no máximo {1} mensagens de cada vez, e espera pelo banco de dados depois delas.'
  },
  { en: 'A message on {1} came with QoS 0.', es: 'Un mensaje en {1} llegó con QoS 0.', pt: 'Uma mensagem em {1} chegou com QoS 0.' },
  {
    en: 'The broker dropped {1} messages, because too many were waiting for a client.',
    es: 'El broker descartó {1} mensajes, porque demasiados esperaban a un cliente.',
    pt: 'O broker descartou {1} mensagens, porque mensagens demais esperavam por um cliente.'
  },
  {
    en: 'Within a minute no message came for {1}.',
    es: 'En un minuto no llegó ningún mensaje de {1}.',
    pt: 'Em um minuto não chegou nenhuma mensagem de {1}.'
  },
  { en: 'what answers there is no MQTT broker', es: 'lo que responde ahí no es un broker MQTT', pt: 'o que responde ali não é um broker MQTT' },
  {
    en: 'This worker shares messages with others, and stores them in a SQLite file, which is on this machine alone.',
    es: 'Este worker comparte los mensajes con otros y los guarda en un archivo SQLite, que solo está en esta máquina.',
    pt: 'Este worker divide as mensagens com outros e as grava em um arquivo SQLite, que está só nesta máquina.'
  },
  { en: 'The broker closed the connection.', es: 'El broker cerró la conexión.', pt: 'O broker fechou a conexão.' },
  { en: '{1} messages wait for the broker already.', es: 'Ya esperan al broker {1} mensajes.', pt: '{1} mensagens já esperam pelo broker.' },
  {
    en: 'The broker ended the connection each time that it was given a message on {1}.',
    es: 'El broker cerró la conexión cada vez que se le dio un mensaje en {1}.',
    pt: 'O broker encerrou a conexão cada vez que recebeu uma mensagem em {1}.'
  },
  { en: 'A topic has 1 to 65,535 bytes, and not {1}.', es: 'Un tema tiene de 1 a 65.535 bytes, y no {1}.', pt: 'Um tópico tem de 1 a 65.535 bytes, e não {1}.' },
  { en: 'The broker did not take it, with code {1}.', es: 'El broker no lo aceptó, con el código {1}.', pt: 'O broker não a aceitou, com o código {1}.' },
  { en: 'The broker takes no more than QoS {1}.', es: 'El broker no acepta más que QoS {1}.', pt: 'O broker não aceita mais que QoS {1}.' },
  { en: 'The broker retains no messages.', es: 'El broker no retiene mensajes.', pt: 'O broker não retém mensagens.' },
  {
    en: 'The broker takes packets of up to {1} bytes, and this one has {2}.',
    es: 'El broker acepta paquetes de hasta {1} bytes, y este tiene {2}.',
    pt: 'O broker aceita pacotes de até {1} bytes, e este tem {2}.'
  },
  {
    en: 'the broker did not acknowledge a message in time',
    es: 'el broker no confirmó un mensaje a tiempo',
    pt: 'o broker não confirmou uma mensagem a tempo'
  },
  {
    en: 'the broker sends messages of QoS 2 and never releases them',
    es: 'el broker envía mensajes de QoS 2 y nunca los libera',
    pt: 'o broker envia mensagens de QoS 2 e nunca as libera'
  },
  { en: 'the broker refused the subscription', es: 'el broker rechazó la suscripción', pt: 'o broker recusou a assinatura' },
  { en: 'The retained messages could not be read: {1}.', es: 'No se pudieron leer los mensajes retenidos: {1}.', pt: 'Não foi possível ler as mensagens retidas: {1}.' },
  {
    en: 'The client id must be a text of 1 to 65,535 bytes.',
    es: 'El id de cliente debe ser un texto de 1 a 65.535 bytes.',
    pt: 'O id de cliente deve ser um texto de 1 a 65.535 bytes.'
  },
  {
    en: 'The shard {1} must be one level of a topic, without + and #.',
    es: 'El fragmento {1} debe ser un nivel de un tema, sin + ni #.',
    pt: 'O fragmento {1} deve ser um nível de um tópico, sem + nem #.'
  },
  { en: 'The group {1} must be without /, + and #.', es: 'El grupo {1} no debe tener /, + ni #.', pt: 'O grupo {1} não deve ter /, + nem #.' },
  { en: 'Its users and rules are its own.', es: 'Sus usuarios y sus reglas son cosa suya.', pt: 'Os usuários e as regras são dele.' },
  {
    en: 'The broker runs elsewhere: {1} is for a broker inside Node-RED. Use the tools of the other one.',
    es: 'El broker es externo: {1} es para un broker dentro de Node-RED. Usa las herramientas del otro.',
    pt: 'O broker é externo: {1} é para um broker dentro do Node-RED. Use as ferramentas do outro.'
  },
  {
    en: 'What is published on {1} may come back to agent-in, which reads from the same broker. Use a topic such as {2}.',
    es: 'Lo que se publica en {1} puede volver a agent-in, que lee del mismo broker. Usa un tema como {2}.',
    pt: 'O que é publicado em {1} pode voltar ao agent-in, que lê do mesmo broker. Use um tópico como {2}.'
  },
  {
    en: 'A message to a shared subscription of this worker did not come back.',
    es: 'Un mensaje a una suscripción compartida de este worker no volvió.',
    pt: 'Uma mensagem para uma assinatura compartilhada deste worker não voltou.'
  }
]

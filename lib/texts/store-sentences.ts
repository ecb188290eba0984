import type { Sentence } from './sentence.ts'

/** Of databases, the spool and retention. */
export const storeSentences: readonly Sentence[] = [
  {
    en: 'The package sqlite3 is not there, or not built for this machine, and this Node.js has no SQLite of its own (22.13 has).',
    es: 'El paquete sqlite3 no está, o no está compilado para esta máquina, y este Node.js no tiene un SQLite propio (22.13 lo tiene).',
    pt: 'O pacote sqlite3 não está instalado, ou não foi compilado para esta máquina, e este Node.js não tem um SQLite próprio (o 22.13 tem).'
  },
  {
    en: 'The package sqlite3 is not there, or not built for this machine.',
    es: 'El paquete sqlite3 no está, o no está compilado para esta máquina.',
    pt: 'O pacote sqlite3 não está instalado, ou não foi compilado para esta máquina.'
  },
  { en: 'The package {1} is not there.', es: 'El paquete {1} no está.', pt: 'O pacote {1} não está instalado.' },
  { en: '{1} is locked.', es: '{1} está bloqueado.', pt: '{1} está bloqueado.' },
  { en: '{1} is read-only.', es: '{1} es de solo lectura.', pt: '{1} é somente leitura.' },
  { en: '{1} may not be written.', es: 'No se permite escribir en {1}.', pt: 'Não é permitido gravar em {1}.' },
  { en: '{1} cannot be opened.', es: 'No se puede abrir {1}.', pt: 'Não é possível abrir {1}.' },
  { en: '{1} has no room: the disk is full.', es: 'No hay espacio para {1}: el disco está lleno.', pt: 'Não há espaço para {1}: o disco está cheio.' },
  { en: '{1} is not a SQLite database.', es: '{1} no es una base de datos SQLite.', pt: '{1} não é um banco de dados SQLite.' },
  { en: '{1} is damaged.', es: '{1} está dañado.', pt: '{1} está danificado.' },
  { en: '{1} failed: {2}.', es: '{1} falló: {2}.', pt: '{1} falhou: {2}.' },
  { en: 'The URL of the database is not one such as {1}.', es: 'La URL de la base de datos no es una como {1}.', pt: 'A URL do banco de dados não é uma como {1}.' },
  {
    en: 'The driver of MySQL takes no PKCS#12 file: give certificate and key as PEM.',
    es: 'El controlador de MySQL no acepta archivos PKCS#12: dar el certificado y la clave en PEM.',
    pt: 'O driver do MySQL não aceita arquivos PKCS#12: dê o certificado e a chave em PEM.'
  },
  {
    en: '{1} has another state than the one that was opened: it was restored, another process forgot an agent, or somebody emptied the table writers.',
    es: '{1} no está como cuando se abrió: se restauró, otro proceso olvidó un agente, o alguien vació la tabla writers.',
    pt: '{1} não está como quando foi aberto: foi restaurado, outro processo esqueceu um agente, ou alguém esvaziou a tabela writers.'
  },
  { en: '{1} is not a kind of database.', es: '{1} no es un tipo de base de datos.', pt: '{1} não é um tipo de banco de dados.' },
  {
    en: 'The login of the database was lost with the credentials of the flows.',
    es: 'El acceso a la base de datos se perdió con las credenciales de los flujos.',
    pt: 'O acesso ao banco de dados se perdeu com as credenciais dos fluxos.'
  },
  { en: 'The URL of the database is empty.', es: 'La URL de la base de datos está vacía.', pt: 'A URL do banco de dados está vazia.' },
  {
    en: 'The host of the database is more than a name or an address.',
    es: 'El host de la base de datos es más que un nombre o una dirección.',
    pt: 'O host do banco de dados é mais do que um nome ou um endereço.'
  },
  { en: 'The host of the database is empty.', es: 'El host de la base de datos está vacío.', pt: 'O host do banco de dados está vazio.' },
  { en: 'The name of the database is empty.', es: 'El nombre de la base de datos está vacío.', pt: 'O nome do banco de dados está vazio.' },
  { en: 'The database is closed.', es: 'La base de datos está cerrada.', pt: 'O banco de dados está fechado.' },
  { en: 'The database was closed.', es: 'La base de datos se cerró.', pt: 'O banco de dados foi fechado.' },
  {
    en: 'The database has the migration {1}, which this version does not know.',
    es: 'La base de datos tiene la migración {1}, que esta versión no conoce.',
    pt: 'O banco de dados tem a migração {1}, que esta versão não conhece.'
  },
  { en: '{1} messages wait already.', es: 'Ya esperan {1} mensajes.', pt: '{1} mensagens já esperam.' },
  { en: '{1} messages wait already, and take {2} MB.', es: 'Ya esperan {1} mensajes, que ocupan {2} MB.', pt: '{1} mensagens já esperam, e ocupam {2} MB.' },
  { en: '{1} messages ({2} bytes) are in it.', es: 'Tiene {1} mensajes ({2} bytes).', pt: 'Ela tem {1} mensagens ({2} bytes).' },
  { en: 'The spool is closed.', es: 'La cola en disco está cerrada.', pt: 'A fila em disco está fechada.' },
  {
    en: '{1}: message {2} is damaged; it is in the table "damaged" now.',
    es: '{1}: el mensaje {2} está dañado; ahora está en la tabla «damaged».',
    pt: '{1}: a mensagem {2} está danificada; agora está na tabela "damaged".'
  },
  { en: 'An override has no type.', es: 'Una excepción no tiene tipo.', pt: 'Uma exceção não tem tipo.' },
  { en: 'The type {1} has two overrides.', es: 'El tipo {1} tiene dos excepciones.', pt: 'O tipo {1} tem duas exceções.' },
  {
    en: '{1} of the type {2} is not a whole number from 0 to {3}.',
    es: '{1} del tipo {2} no es un número entero de 0 a {3}.',
    pt: '{1} do tipo {2} não é um número inteiro de 0 a {3}.'
  },
  { en: '{1} is not a whole number from 0 to {2}.', es: '{1} no es un número entero de 0 a {2}.', pt: '{1} não é um número inteiro de 0 a {2}.' },
  { en: '{1} is 0, for ever, but {2} is {3}.', es: '{1} es 0, para siempre, pero {2} es {3}.', pt: '{1} é 0, para sempre, mas {2} é {3}.' },
  { en: '{1} is {2}, more than {3}, which is {4}.', es: '{1} es {2}, más que {3}, que es {4}.', pt: '{1} é {2}, mais que {3}, que é {4}.' },
  {
    en: '{1} of the type {2} is 0, for ever, but {3} is {4}.',
    es: '{1} del tipo {2} es 0, para siempre, pero {3} es {4}.',
    pt: '{1} do tipo {2} é 0, para sempre, mas {3} é {4}.'
  },
  {
    en: '{1} of the type {2} is {3}, more than {4}, which is {5}.',
    es: '{1} del tipo {2} es {3}, más que {4}, que es {5}.',
    pt: '{1} do tipo {2} é {3}, mais que {4}, que é {5}.'
  },
  {
    en: 'No connection to the database was free, or could be made, in time.',
    es: 'No hubo a tiempo ninguna conexión con la base de datos, ni libre ni nueva.',
    pt: 'Não houve a tempo nenhuma conexão com o banco de dados, nem livre nem nova.'
  },
  { en: 'PostgreSQL at {1}', es: 'PostgreSQL en {1}', pt: 'PostgreSQL em {1}' },
  { en: 'The database server at {1}', es: 'El servidor de base de datos en {1}', pt: 'O servidor de banco de dados em {1}' },
  { en: '{1} is version {2}.', es: '{1} es la versión {2}.', pt: '{1} é a versão {2}.' }
]

import type { Sentence } from './sentence.ts'

/** Of platziverse-store. */
export const transferSentences: readonly Sentence[] = [
  { en: 'The address of a database is empty.', es: 'La dirección de una base de datos está vacía.', pt: 'O endereço de um banco de dados está vazio.' },
  { en: '--ca: {1}.', es: '--ca: {1}.', pt: '--ca: {1}.' },
  { en: '{1} is too much.', es: '{1} está de más.', pt: '{1} está sobrando.' },
  { en: '{1} takes no file.', es: '{1} no lleva archivo.', pt: '{1} não leva arquivo.' },
  { en: '{1} takes no file; the other database is --to.', es: '{1} no lleva archivo; la otra base de datos es --to.', pt: '{1} não leva arquivo; o outro banco de dados é --to.' },
  { en: 'export needs a file.', es: 'export necesita un archivo.', pt: 'export precisa de um arquivo.' },
  { en: 'import needs a file.', es: 'import necesita un archivo.', pt: 'import precisa de um arquivo.' },
  { en: '{1} is the database itself.', es: '{1} es la propia base de datos.', pt: '{1} é o próprio banco de dados.' },
  {
    en: '{1} is there already: replace it with --force, or go on at its end with --resume.',
    es: '{1} ya existe: reemplazarlo con --force, o seguir desde su final con --resume.',
    pt: '{1} já existe: substitua-o com --force, ou continue do fim dele com --resume.'
  },
  {
    en: 'Say what to do: status, migrate, export or import; see --help.',
    es: 'Decir qué hacer: status, migrate, export o import; véase --help.',
    pt: 'Diga o que fazer: status, migrate, export ou import; veja --help.'
  },
  {
    en: 'There is no command {1}: status, migrate, export or import; see --help.',
    es: 'No existe el comando {1}: status, migrate, export o import; véase --help.',
    pt: 'O comando {1} não existe: status, migrate, export ou import; veja --help.'
  },
  { en: '{1} is not there.', es: '{1} no existe.', pt: '{1} não existe.' },
  { en: 'It has an agent {1} of its own.', es: 'Tiene un agente propio, {1}.', pt: 'Ele tem um agente próprio, {1}.' },
  { en: 'It has a series {1} of its own.', es: 'Tiene una serie propia, {1}.', pt: 'Ele tem uma série própria, {1}.' },
  { en: 'Line {1}: {2}.', es: 'Línea {1}: {2}.', pt: 'Linha {1}: {2}.' },
  { en: 'it is not UTF-8', es: 'no es UTF-8', pt: 'não é UTF-8' },
  { en: 'it is not JSON', es: 'no es JSON', pt: 'não é JSON' },
  { en: 'the columns are not {1}', es: 'las columnas no son {1}', pt: 'as colunas não são {1}' },
  { en: 'a quote is not closed', es: 'hay unas comillas sin cerrar', pt: 'há aspas que não fecham' },
  { en: 'a quote is out of place', es: 'hay unas comillas fuera de lugar', pt: 'há aspas fora de lugar' },
  { en: 'it has {1} columns and not {2}', es: 'tiene {1} columnas y no {2}', pt: 'tem {1} colunas e não {2}' },
  { en: 'it has a value and a text', es: 'tiene un valor y un texto', pt: 'tem um valor e um texto' },
  {
    en: 'its text may be cut off, because no line break follows it',
    es: 'su texto puede estar cortado, porque no lo sigue un salto de línea',
    pt: 'o texto dela pode estar cortado, porque não é seguido de uma quebra de linha'
  },
  { en: 'its {1} is not a number', es: 'su {1} no es un número', pt: 'o {1} dela não é um número' },
  { en: 'it is not an object', es: 'no es un objeto', pt: 'não é um objeto' },
  { en: 'its presence is not of whole numbers', es: 'su presencia no es de números enteros', pt: 'a presença dela não é de números inteiros' },
  { en: 'its latest is not an object', es: 'su latest no es un objeto', pt: 'o latest dela não é um objeto' },
  { en: 'it is none of agent, series, metric, hour, day', es: 'no es ninguno de agent, series, metric, hour, day', pt: 'não é nenhum de agent, series, metric, hour, day' },
  { en: 'a time is not a whole number of ms', es: 'una hora no es un número entero de ms', pt: 'uma hora não é um número inteiro de ms' },
  { en: 'it is longer than {1} bytes', es: 'tiene más de {1} bytes', pt: 'tem mais de {1} bytes' },
  { en: '{1} is not a file that can be read back.', es: '{1} no es un archivo que se pueda volver a leer.', pt: '{1} não é um arquivo que possa ser lido de volta.' },
  { en: 'Retention has deleted something since {1} was begun.', es: 'La retención borró algo desde que se empezó {1}.', pt: 'A retenção apagou algo desde que {1} foi começado.' },
  { en: '{1} does not end with a line of this database.', es: '{1} no termina con una línea de esta base de datos.', pt: '{1} não termina com uma linha deste banco de dados.' }
]

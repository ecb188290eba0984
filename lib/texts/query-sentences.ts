import type { Sentence } from './sentence.ts'

/** Of queries. */
export const querySentences: readonly Sentence[] = [
  { en: 'The question is about more than {1} series.', es: 'La pregunta es sobre más de {1} series.', pt: 'A pergunta é sobre mais de {1} séries.' },
  { en: 'There is no agent {1}.', es: 'No existe el agente {1}.', pt: 'O agente {1} não existe.' },
  { en: 'No agent has a metric of the type {1}.', es: 'Ningún agente tiene una métrica del tipo {1}.', pt: 'Nenhum agente tem uma métrica do tipo {1}.' },
  {
    en: 'No agent has a metric of any of these types.',
    es: 'Ningún agente tiene una métrica de alguno de estos tipos.',
    pt: 'Nenhum agente tem uma métrica de algum destes tipos.'
  },
  { en: 'The agent {1} has no metric of the type {2}.', es: 'El agente {1} no tiene ninguna métrica del tipo {2}.', pt: 'O agente {1} não tem nenhuma métrica do tipo {2}.' },
  {
    en: 'The agent {1} has no metric of any of these types.',
    es: 'El agente {1} no tiene ninguna métrica de estos tipos.',
    pt: 'O agente {1} não tem nenhuma métrica destes tipos.'
  },
  {
    en: 'None of these agents has a metric of the type {1}.',
    es: 'Ninguno de estos agentes tiene una métrica del tipo {1}.',
    pt: 'Nenhum destes agentes tem uma métrica do tipo {1}.'
  },
  {
    en: 'None of these agents has a metric of any of these types.',
    es: 'Ninguno de estos agentes tiene una métrica de estos tipos.',
    pt: 'Nenhum destes agentes tem uma métrica destes tipos.'
  },
  {
    en: 'The metrics of the type {1} are texts, and buckets are of numbers.',
    es: 'Las métricas del tipo {1} son textos, y los intervalos son de números.',
    pt: 'As métricas do tipo {1} são textos, e os intervalos são de números.'
  },
  {
    en: 'Retention deleted metrics or hours while the answer was being read.',
    es: 'La retención borró métricas u horas mientras se leía la respuesta.',
    pt: 'A retenção apagou métricas ou horas enquanto a resposta era lida.'
  },
  { en: 'The answer has more than {1} rows.', es: 'La respuesta tiene más de {1} filas.', pt: 'A resposta tem mais de {1} linhas.' },
  {
    en: 'The range has {1} buckets, and {2} is the limit of an answer that does not come in parts.',
    es: 'El rango tiene {1} intervalos, y {2} es el límite de una respuesta que no llega en partes.',
    pt: 'O período tem {1} intervalos, e {2} é o limite de uma resposta que não vem em partes.'
  },
  { en: 'The range has {1} buckets, and {2} is the limit.', es: 'El rango tiene {1} intervalos, y el límite es {2}.', pt: 'O período tem {1} intervalos, e o limite é {2}.' },
  { en: 'The range has more than {1} buckets of a {2}.', es: 'El rango tiene más de {1} intervalos de un {2}.', pt: 'O período tem mais de {1} intervalos de um {2}.' },
  { en: 'The query is not an object.', es: 'La pregunta no es un objeto.', pt: 'A pergunta não é um objeto.' },
  { en: 'Queries have no property {1}.', es: 'Las preguntas no tienen la propiedad {1}.', pt: 'As perguntas não têm a propriedade {1}.' },
  { en: '"{1}" gives nothing that a chart could show.', es: '«{1}» no da nada que un gráfico pueda mostrar.', pt: '"{1}" não dá nada que um gráfico possa mostrar.' },
  { en: '{1} questions are followed already.', es: 'Ya se siguen {1} preguntas.', pt: 'Já há {1} perguntas ao vivo.' },
  {
    en: 'A deploy replaced the node before it had answered.',
    es: 'Un deploy sustituyó el nodo antes de que respondiera.',
    pt: 'Um deploy substituiu o nó antes que ele respondesse.'
  },
  {
    en: '"{1}" is not a span of time from {2} ms up, such as 1s, and neither true nor false.',
    es: '«{1}» no es un lapso desde {2} ms, como 1s, ni true ni false.',
    pt: '"{1}" não é um intervalo de tempo a partir de {2} ms, como 1s, nem true nem false.'
  },
  { en: '"{1}" is an empty list.', es: '«{1}» es una lista vacía.', pt: '"{1}" é uma lista vazia.' },
  { en: '"{1}" is a list of more than {2}.', es: '«{1}» es una lista de más de {2}.', pt: '"{1}" é uma lista de mais de {2}.' },
  { en: '"{1}" is neither text nor a number.', es: '«{1}» no es un texto ni un número.', pt: '"{1}" não é um texto nem um número.' },
  { en: '"{1}" is missing.', es: 'Falta «{1}».', pt: 'Falta "{1}".' },
  { en: '"{1}" is not a text of at most {2} characters.', es: '«{1}» no es un texto de {2} caracteres como máximo.', pt: '"{1}" não é um texto de no máximo {2} caracteres.' },
  { en: '"{1}" is no text of at most {2} characters.', es: '«{1}» no es un texto de {2} caracteres como máximo.', pt: '"{1}" não é um texto de no máximo {2} caracteres.' },
  { en: '"{1}" is no list of at most {2} texts.', es: '«{1}» no es una lista de {2} textos como máximo.', pt: '"{1}" não é uma lista de no máximo {2} textos.' },
  { en: '"{1}" is none of {2}.', es: '«{1}» no es ninguno de {2}.', pt: '"{1}" não é nenhum de {2}.' },
  { en: '"{1}" is not a whole number from {2} up.', es: '«{1}» no es un número entero desde {2}.', pt: '"{1}" não é um número inteiro a partir de {2}.' },
  { en: '"{1}" is not a whole number from {2} to {3}.', es: '«{1}» no es un número entero de {2} a {3}.', pt: '"{1}" não é um número inteiro de {2} a {3}.' },
  {
    en: '"{1}" is not a time from 1970 on: ms, ISO 8601, now, or such as -24h.',
    es: '«{1}» no es una hora desde 1970: ms, ISO 8601, now, o como -24h.',
    pt: '"{1}" não é uma hora a partir de 1970: ms, ISO 8601, now, ou como -24h.'
  },
  { en: '"{1}" is not before "to".', es: '«{1}» no es anterior a «to».', pt: '"{1}" não é anterior a "to".' },
  {
    en: '"{1}" is not a span of time: ms, such as 5m, 1h, 1d, or day, week, month, year.',
    es: '«{1}» no es un lapso: ms, como 5m, 1h, 1d, o day, week, month, year.',
    pt: '"{1}" não é um intervalo de tempo: ms, como 5m, 1h, 1d, ou day, week, month, year.'
  },
  {
    en: '"{1}" is not a time zone that this machine knows, such as Europe/Madrid.',
    es: '«{1}» no es una zona horaria que esta máquina conozca, como Europe/Madrid.',
    pt: '"{1}" não é um fuso horário que esta máquina conheça, como Europe/Madrid.'
  },
  { en: '"{1}" is not a list of {2}.', es: '«{1}» no es una lista de {2}.', pt: '"{1}" não é uma lista de {2}.' }
]

import type { Sentence } from './sentence.ts'

/** Of the bridge. */
export const bridgeSentences: readonly Sentence[] = [
  { en: 'Refused: {1}.', es: 'Rechazados: {1}.', pt: 'Recusados: {1}.' },
  { en: 'A message of {1} came round.', es: 'Un mensaje de {1} dio la vuelta.', pt: 'Uma mensagem de {1} deu a volta.' },
  {
    en: 'The other broker refused a message on {1}: {2}.',
    es: 'El otro broker rechazó un mensaje en {1}: {2}.',
    pt: 'O outro broker recusou uma mensagem em {1}: {2}.'
  },
  { en: 'The client id {1} is a client of this broker.', es: 'El id de cliente {1} es de un cliente de este broker.', pt: 'O id de cliente {1} é de um cliente deste broker.' },
  { en: '{1} messages wait for the other broker.', es: '{1} mensajes esperan al otro broker.', pt: '{1} mensagens esperam pelo outro broker.' },
  {
    en: 'The address {1} must be such as mqtt://192.0.2.1:1883, with mqtt, mqtts, ws or wss.',
    es: 'La dirección {1} debe ser como mqtt://192.0.2.1:1883, con mqtt, mqtts, ws o wss.',
    pt: 'O endereço {1} deve ser como mqtt://192.0.2.1:1883, com mqtt, mqtts, ws ou wss.'
  },
  {
    en: 'The certificate, its key or the authority cannot be used: {1}.',
    es: 'No se puede usar el certificado, su clave o la autoridad: {1}.',
    pt: 'Não é possível usar o certificado, a chave dele ou a autoridade: {1}.'
  },
  { en: 'There are no topics.', es: 'No hay temas.', pt: 'Não há tópicos.' },
  { en: 'The QoS of topic {1} must be 0, 1 or 2.', es: 'El QoS del tema {1} debe ser 0, 1 o 2.', pt: 'O QoS do tópico {1} deve ser 0, 1 ou 2.' },
  { en: 'A prefix of topic {1} has a wildcard: {2}.', es: 'Un prefijo del tema {1} tiene un comodín: {2}.', pt: 'Um prefixo do tópico {1} tem um curinga: {2}.' },
  { en: 'Topic {1} is not a topic filter: {2}.', es: 'El tema {1} no es un filtro de temas: {2}.', pt: 'O tópico {1} não é um filtro de tópicos: {2}.' },
  { en: 'it is empty', es: 'está vacío', pt: 'está vazio' },
  {
    en: 'The keepalive must be a whole number from {1} to {2}, and is {3}.',
    es: 'El keepalive debe ser un número entero de {1} a {2}, y es {3}.',
    pt: 'O keepalive deve ser um número inteiro de {1} a {2}, e é {3}.'
  },
  {
    en: 'The buffer must be a whole number from {1} to {2}, and is {3}.',
    es: 'El búfer debe ser un número entero de {1} a {2}, y es {3}.',
    pt: 'O buffer deve ser um número inteiro de {1} a {2}, e é {3}.'
  }
]

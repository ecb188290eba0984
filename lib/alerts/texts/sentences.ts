import type { Sentence } from '../../texts/sentence.ts'
import type { Condition, Severity } from '../rules/saved-rule.ts'

// {1} the agent, {2} the type, {3} the value, {4} what it is compared with, {5} what else.

/** What is wrong, by the condition of its rule. */
export const wrong: Record<Condition, Sentence> = {
  above: { en: '{1}: {2} is {3}, above {4}', es: '{1}: {2} es {3}, por encima de {4}', pt: '{1}: {2} é {3}, acima de {4}' },
  below: { en: '{1}: {2} is {3}, below {4}', es: '{1}: {2} es {3}, por debajo de {4}', pt: '{1}: {2} é {3}, abaixo de {4}' },
  outside: { en: '{1}: {2} is {3}, outside {4} to {5}', es: '{1}: {2} es {3}, fuera de {4} a {5}', pt: '{1}: {2} é {3}, fora de {4} a {5}' },
  equals: { en: '{1}: {2} is {3}', es: '{1}: {2} es {3}', pt: '{1}: {2} é {3}' },
  changedFaster: {
    en: '{1}: {2} is {3}, and changed by more than {4} within {5}',
    es: '{1}: {2} es {3} y cambió más de {4} en {5}',
    pt: '{1}: {2} é {3} e mudou mais de {4} em {5}'
  },
  noNews: { en: '{1}: no news of {2}', es: '{1}: sin noticias de {2}', pt: '{1}: sem notícias de {2}' },
  agentGone: { en: '{1} is gone', es: '{1} se fue', pt: '{1} saiu' }
}

/** What is right again, by the condition. */
export const right: Record<Condition, Sentence> = {
  above: { en: '{1}: {2} is {3}, no longer above {4}', es: '{1}: {2} es {3}, ya no está por encima de {4}', pt: '{1}: {2} é {3}, não está mais acima de {4}' },
  below: { en: '{1}: {2} is {3}, no longer below {4}', es: '{1}: {2} es {3}, ya no está por debajo de {4}', pt: '{1}: {2} é {3}, não está mais abaixo de {4}' },
  outside: { en: '{1}: {2} is {3}, within {4} to {5} again', es: '{1}: {2} es {3}, otra vez entre {4} y {5}', pt: '{1}: {2} é {3}, outra vez entre {4} e {5}' },
  equals: { en: '{1}: {2} is {3}, no longer {4}', es: '{1}: {2} es {3}, ya no {4}', pt: '{1}: {2} é {3}, não mais {4}' },
  changedFaster: { en: '{1}: {2} is {3}, and changes slowly again', es: '{1}: {2} es {3} y vuelve a cambiar despacio', pt: '{1}: {2} é {3} e volta a mudar devagar' },
  noNews: { en: '{1}: news of {2} again', es: '{1}: otra vez hay noticias de {2}', pt: '{1}: há notícias de {2} outra vez' },
  agentGone: { en: '{1} is back', es: '{1} volvió', pt: '{1} voltou' }
}

/** In place of the sentences above, where the rule is about an agent as a whole. */
export const ofAgents: Record<'wrong' | 'right', Sentence> = {
  wrong: { en: '{1}: no news', es: '{1}: sin noticias', pt: '{1}: sem notícias' },
  right: { en: '{1}: news again', es: '{1}: otra vez hay noticias', pt: '{1}: há notícias outra vez' }
}

export const severityNames: Record<Severity, Sentence> = {
  info: { en: 'Info', es: 'Información', pt: 'Informação' },
  warning: { en: 'Warning', es: 'Aviso', pt: 'Aviso' },
  critical: { en: 'Critical', es: 'Crítico', pt: 'Crítico' }
}

export const phrases = {
  /** {1} the severity, {2} what is wrong, {3} since when, {4} the rule. */
  raised: { en: '{1}: {2}, since {3} ({4})', es: '{1}: {2}, desde {3} ({4})', pt: '{1}: {2}, desde {3} ({4})' },
  still: { en: '{1}, still: {2}, since {3} ({4})', es: '{1}, todavía: {2}, desde {3} ({4})', pt: '{1}, ainda: {2}, desde {3} ({4})' },
  /** {1} what is right again, {2} since when it was wrong, {3} the rule. */
  cleared: { en: 'Over: {1}, wrong since {2} ({3})', es: 'Terminó: {1}, mal desde {2} ({3})', pt: 'Terminou: {1}, errado desde {2} ({3})' },
  /** {1} how many were raised, {2} how many are over. */
  digest: { en: '{1} alerts raised, {2} over:', es: '{1} alertas nuevas, {2} terminadas:', pt: '{1} alertas novos, {2} terminados:' },
  more: { en: '… and {1} more', es: '… y {1} más', pt: '… e mais {1}' },
  test: { en: 'Test: {1}', es: 'Prueba: {1}', pt: 'Teste: {1}' }
} satisfies Record<string, Sentence>

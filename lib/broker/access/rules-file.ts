import { checkRule, ruleTexts, type Rule } from './rules.ts'

/** What can be wrong with a line or its rule, in English. The form has a text for each key in every language. */
export const rulesFileTexts = {
  ...ruleTexts,
  sectionUnknown: 'This line belongs to no known user: correct the user line above it.',
  keywordUnknown: 'A line starts with user, topic, pattern or #.',
  rulesMissing: 'The file has no rules: Mosquitto would then refuse everything, this broker would allow everything.'
} as const

export interface RulesFileProblem {
  /** From 1. */
  line: number
  problem: keyof typeof rulesFileTexts
  /** The sentence of `rulesFileTexts`. */
  text: string
}

export interface RulesFile {
  rules: Rule[]
  /** Lines that could not be read and were left out. Mosquitto refuses such a file, and so should an import: a deny may be missing. */
  problems: RulesFileProblem[]
}

/** Whom the following lines are about; undefined: the `user` line above them could not be read. */
type Section = Pick<Rule, 'subject' | 'username'> | undefined

/** Read the text of a Mosquitto 2 ACL file. Lines count from 1. */
export function parseRulesFile (text: string): RulesFile {
  const rules: Rule[] = []
  const problems: RulesFileProblem[] = []
  const reportAt = (line: number, problem: RulesFileProblem['problem']) => { problems.push({ line, problem, text: rulesFileTexts[problem] }) }
  let section: Section = { subject: 'anonymous' }

  for (const [index, line] of text.split('\n').entries()) {
    // A comment starts in the first column.
    if (line.startsWith('#') || line.trim() === '') continue
    const report = (problem: RulesFileProblem['problem']) => { reportAt(index + 1, problem) }

    const [keyword, rest] = firstWord(line)
    if (keyword === 'user') {
      const user: Section = { subject: 'user', username: rest }
      const problem = checkRule({ ...user, access: 'deny', topic: '#' })
      section = problem === undefined ? user : undefined
      if (problem !== undefined) report(problem)
    } else if (keyword === 'topic' || keyword === 'pattern') {
      const subject: Section = keyword === 'pattern' ? { subject: 'everyone' } : section
      if (subject === undefined) {
        report('sectionUnknown')
        continue
      }
      const rule = { ...subject, ...grantOf(rest) }
      const problem = checkRule(rule)
      if (problem === undefined) rules.push(rule as Rule)
      else report(problem)
    } else {
      report('keywordUnknown')
    }
  }
  // Since CVE-2018-12550.
  if (rules.length === 0 && problems.length === 0) reportAt(1, 'rulesMissing')
  return { rules, problems }
}

/** What follows `topic` or `pattern`: the access may be left out, unless the topic has a space. */
function grantOf (text: string): { access: string, topic: string } {
  const [access, topic] = firstWord(text)
  return topic === '' ? { access: 'readwrite', topic: access } : { access, topic }
}

function firstWord (text: string): [word: string, rest: string] {
  const trimmed = text.trim()
  const end = trimmed.indexOf(' ')
  return end === -1 ? [trimmed, ''] : [trimmed.slice(0, end), trimmed.slice(end).trim()]
}

/**
 * Write rules as a Mosquitto 2 ACL file.
 * @throws TypeError for a rule that `checkRule` refuses: a file without it would mean something else
 */
export function formatRulesFile (rules: readonly Rule[]): string {
  for (const [index, rule] of rules.entries()) {
    const problem = checkRule(rule)
    if (problem !== undefined) throw new TypeError(`Rule ${index + 1}: ${ruleTexts[problem]}`)
  }
  if (rules.length === 0) return '# No rules: leave acl_file out, as Mosquitto refuses everything when the file is empty.\n'

  const lines = (subject: Rule['subject'], write: (rule: Rule, last: Rule | undefined) => string) => {
    return rules.filter(rule => rule.subject === subject).map((rule, i, chosen) => write(rule, chosen[i - 1])).join('')
  }
  return [
    // The lines before the first user are those of anonymous clients.
    lines('anonymous', ({ access, topic }) => `topic ${access} ${topic}\n`),
    lines('everyone', ({ access, topic }) => `pattern ${access} ${topic}\n`),
    lines('user', ({ username, access, topic }, last) => {
      const heading = username === last?.username ? '' : `user ${username}\n`
      return `${heading}topic ${access} ${topic}\n`
    })
  ].filter(section => section !== '').join('\n')
}

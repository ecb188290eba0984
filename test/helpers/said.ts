import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { packageDir } from './node-red.ts'

/** Functions that make an error of a sentence, their last text. */
const makers = /^(?:PlatziverseError|invalid|invalidCommand|wrong|refuse|reject|replaced|impossible|metricFailed|elsewhere|say)$/

/** Where sentences go that are no argument of these: properties and variables of these names, and what these functions return. */
const places = /^(?:detail|notice)$/
const tellers = /^(?:topicProblem|problemOf|whyFailed)$/

/**
 * The sentences that the code of some folders says of what is wrong, with `x` for what is filled in; both where it says one of two.
 * @param folders below the package's
 */
export function sentencesIn (folders: readonly string[]): Array<{ file: string, sentence: string }> {
  return folders.flatMap(folder => readdirSync(join(packageDir, folder), { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.ts') && !/(^|\/)editor/.test(file))
    .flatMap(file => sentencesOf(readFileSync(join(packageDir, folder, file), 'utf8')).map(sentence => ({ file: `${folder}/${file}`, sentence }))))
}

function sentencesOf (source: string): string[] {
  const found: string[] = []
  const root = ts.createSourceFile('source.ts', source, ts.ScriptTarget.Latest, true)
  const named = namedTexts(root)
  const textsOf = (node: ts.Expression): string[] => textsIn(node, named)
  const visit = (node: ts.Node): void => {
    if ((ts.isNewExpression(node) || ts.isCallExpression(node)) && ts.isIdentifier(node.expression) && makers.test(node.expression.text)) {
      const text = (node.arguments ?? []).filter(argument => isText(argument) && !/^'[A-Z_a-z]+'$/.test(argument.getText())).at(0)
      if (text !== undefined) found.push(...textsOf(text))
    } else if ((ts.isPropertyAssignment(node) || ts.isVariableDeclaration(node)) && ts.isIdentifier(node.name) && places.test(node.name.text)) {
      if (node.initializer !== undefined && isText(node.initializer)) found.push(...textsOf(node.initializer))
    } else if (ts.isFunctionDeclaration(node) && tellers.test(node.name?.text ?? '')) {
      node.forEachChild(function returned (inner): void {
        if (ts.isReturnStatement(inner) && inner.expression !== undefined) found.push(...textsOf(inner.expression))
        else inner.forEachChild(returned)
      })
    }
    node.forEachChild(visit)
  }
  visit(root)
  // What somebody else says, whole or behind a name, is no sentence of this code.
  return found.filter(sentence => /[a-z]{2}/.test(sentence))
}

function isText (node: ts.Node): boolean {
  return ts.isStringLiteralLike(node) || ts.isTemplateExpression(node) || (ts.isConditionalExpression(node) && isText(node.whenTrue) && isText(node.whenFalse))
}

/** The constants of a file that are texts: they may be part of a sentence. */
function namedTexts (root: ts.SourceFile): ReadonlyMap<string, ts.Expression> {
  const named = new Map<string, ts.Expression>()
  root.forEachChild(function visit (node): void {
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.initializer !== undefined && isText(node.initializer)) named.set(node.name.text, node.initializer)
    node.forEachChild(visit)
  })
  return named
}

function textsIn (node: ts.Expression, named: ReadonlyMap<string, ts.Expression>): string[] {
  if (ts.isStringLiteralLike(node)) return [node.text]
  if (ts.isParenthesizedExpression(node)) return textsIn(node.expression, named)
  if (ts.isConditionalExpression(node)) return [...textsIn(node.whenTrue, named), ...textsIn(node.whenFalse, named)]
  if (ts.isIdentifier(node)) {
    const text = named.get(node.text)
    return text === undefined ? ['x'] : textsIn(text, named)
  }
  if (!ts.isTemplateExpression(node)) return ['x']
  return node.templateSpans.reduce((texts, span) => texts.flatMap(text => textsIn(span.expression, named).map(value => text + value + span.literal.text)), [node.head.text])
}

import { sentenceOf } from '../../lib/texts/error-text.ts'
import { languageOf } from './language.ts'
import type { RED, RedNode } from './red.ts'

/** ms for which it is remembered whether somebody catches a node's errors. */
const rememberedFor = 1_000

/** What the flow says of catch nodes; not in Node-RED's types. */
interface CatchConfig { type: string, z?: string, d?: boolean, scope?: string[] | string | null }

/**
 * From now on the node tells its errors in a sentence, in Node-RED's language, with the code at the end: Node-RED's debug sidebar shows an Error as an object with its
 * stack. Catch nodes get the error itself.
 */
export function tellPlainly (RED: RED, node: RedNode): void {
  const language = languageOf(RED)
  const tell = node.error.bind(node) as (problem: unknown, msg?: unknown) => void
  let caught = { is: false, until: 0 }
  const isCaught = (): boolean => {
    if (Date.now() >= caught.until) caught = { is: hasCatch(RED, node), until: Date.now() + rememberedFor }
    return caught.is
  }
  node.error = (problem: unknown, msg?: unknown) => {
    tell(msg !== undefined && isCaught() ? problem : sentenceOf(problem, language) ?? problem, msg)
  }
}

/** Whether a catch node may get the node's errors. */
function hasCatch (RED: RED, { id, z }: RedNode): boolean {
  let isInFlow = z === undefined || z === ''
  let has = false
  RED.nodes.eachNode(config => {
    const { type, z: flow, d: isDisabled, scope } = config as CatchConfig
    if (type === 'tab' && config.id === z) isInFlow = true
    else if (type === 'catch' && flow === z && isDisabled !== true && (!Array.isArray(scope) || scope.includes(id))) has = true
  })
  // The flow around a subflow may catch its errors.
  return has || !isInFlow
}

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { NodeRed } from './node-red.ts'
import type { Shell } from './pages.ts'

export interface Service {
  /** The Node-RED that runs now. */
  readonly nodeRed: NodeRed
  readonly running: boolean
}

/** Makes `systemctl start|stop|restart node-red` in a shell do what they say, without systemd: `start` starts Node-RED. */
export async function asService (t: Pick<TestContext, 'after'>, shell: Shell, start: () => Promise<NodeRed>): Promise<Service> {
  let nodeRed: NodeRed | undefined
  const stop = async (): Promise<void> => {
    await nodeRed?.stop()
    nodeRed = undefined
  }
  t.after(stop)
  await shell.standIn('systemctl', async args => {
    const [verb, ...rest] = args
    assert.equal(rest.at(-1), 'node-red', `systemctl ${args.join(' ')}`)
    if (verb === 'show' && rest.includes('--property=MainPID')) return `${nodeRed?.pid ?? 0}\n`
    assert.ok(verb === 'start' || verb === 'stop' || verb === 'restart', verb)
    if (verb !== 'start') await stop()
    if (verb !== 'stop') nodeRed ??= await start()
    return ''
  })
  return {
    get nodeRed () { return nodeRed ?? assert.fail('Node-RED does not run') },
    get running () { return nodeRed !== undefined }
  }
}

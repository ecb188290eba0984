import { tcpProxy } from '../../test/helpers/tcp-proxy.ts'

/** What each answer to a viewer ends with: the event of the node "viewer". */
const lastOfAnswer = 'msg-input:229807f5b8d0e825'

/** Stands between the browser and Node-RED, and sees answers pass. */
export interface Wire {
  /** For the browser. */
  url: string
  /** Resolves with ms since 1970 when Node-RED has sent the last byte of the next answer with this text in it. */
  passed (text: string): Promise<number>
  /** Answers so far, to all viewers. */
  readonly answers: number
  close (): void
}

export async function openWire (port: number): Promise<Wire> {
  const ends: Array<() => void> = []
  const proxy = await tcpProxy({ after: end => { ends.push(end as () => void) } }, port)
  let answers = 0
  let waiting: { text: string, seen: (at: number) => void } | undefined
  /** The end of what came before, by client: a text may arrive in two pieces. */
  const tails = new WeakMap<object, string>()
  proxy.answer = (bytes, client) => {
    client.write(bytes)
    const text = `${tails.get(client) ?? ''}${bytes.toString('latin1')}`
    tails.set(client, text.slice(1 - lastOfAnswer.length))
    answers += text.split(lastOfAnswer).length - 1
    if (waiting === undefined || !text.includes(waiting.text)) return
    waiting.seen(Date.now())
    waiting = undefined
  }
  return {
    url: `http://127.0.0.1:${proxy.port}/`,
    passed: text => new Promise(seen => { waiting = { text, seen } }),
    get answers () { return answers },
    close () { for (const end of ends) end() }
  }
}

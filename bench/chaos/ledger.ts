import { createReadStream, createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

/** A message whose publisher need not send it any more: acknowledged, or sent where nothing acknowledges. Times are ms since 1970. */
export interface Entry { uuid: string, seq: number, sentAt: number, doneAt: number, resends: number }

/** Where a publisher writes down what it was promised, outside of what is tested. */
export interface Ledger {
  record (entry: Entry): void
  close (): Promise<void>
}

export function openLedger (file: string): Ledger {
  const stream = createWriteStream(file)
  return {
    record: ({ uuid, seq, sentAt, doneAt, resends }) => { stream.write(`${uuid} ${seq} ${sentAt} ${doneAt} ${resends}\n`) },
    async close () {
      stream.end()
      await once(stream, 'finish')
    }
  }
}

export async function * readLedger (file: string): AsyncGenerator<Entry> {
  for await (const line of createInterface(createReadStream(file))) {
    const [uuid = '', ...numbers] = line.split(' ')
    const [seq = NaN, sentAt = NaN, doneAt = NaN, resends = NaN] = numbers.map(Number)
    yield { uuid, seq, sentAt, doneAt, resends }
  }
}

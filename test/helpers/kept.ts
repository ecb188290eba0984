import { cp } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import type { BrokerPersistence } from '../../lib/broker/persistence/broker-persistence.ts'
import { openPersistence, type PersistenceOptions } from '../../lib/broker/persistence/persistence.ts'
import { temporaryFolder } from './folder.ts'
import { limits } from './persistent-broker.ts'

export const kept = ['in memory', 'on disk'] as const

/** A persistence whose clock stands until it is set. */
export async function keep (t: TestContext, { folder, ...rest }: Partial<Omit<PersistenceOptions, 'limits'>> & { limits?: Partial<PersistenceOptions['limits']> } = {}): Promise<BrokerPersistence> {
  const persistence = await openPersistence({ ...rest, folder, limits: { ...limits, ...rest.limits } })
  t.after(() => persistence.close())
  await persistence.setup({ id: 'broker', counter: 0 })
  return persistence
}

/** What a kill right now would leave of a folder, in another one. */
export async function killed (t: TestContext, persistence: BrokerPersistence, folder: string): Promise<string> {
  await persistence.endSession('nobody')
  const left = await temporaryFolder(t)
  await cp(folder, left, { recursive: true })
  return left
}

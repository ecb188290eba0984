import { createHash, randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'

/**
 * The uuid in `file`; the first call makes it, with the folders that lead to it.
 * @throws the file system's error when the file can be neither read nor made
 */
export function keptUuid (file: string): string {
  const kept = read(file)
  if (kept) return kept
  const uuid = randomUUID()
  mkdirSync(dirname(file), { recursive: true })
  try {
    // Only an empty file may be overwritten: a power cut left it behind.
    writeFileSync(file, `${uuid}\n`, { flag: kept === undefined ? 'wx' : 'w', flush: true })
    return uuid
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return keptUuid(file)
    throw error
  }
}

/** Where the uuid of the agent called `name` is kept unless it says otherwise: under the user's data folder. */
export function defaultUuidFile (name: string): string {
  const data = process.env.XDG_DATA_HOME || process.env.LOCALAPPDATA || join(homedir(), '.local', 'share')
  // The readable part may be the same for two names, the hash is not.
  const readable = name.replace(/[^\w.-]+/g, '_').slice(0, 60)
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8)
  return join(data, 'platziverse', `agent-${readable}-${hash}.uuid`)
}

function read (file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function codeOf (error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}

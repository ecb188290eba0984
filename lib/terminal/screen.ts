import type { ReadStream, WriteStream } from 'node:tty'
import type { Size } from './frame.ts'

/** Ms between two pictures at the least. */
const pace = 250

const enter = '\x1b[?1049h\x1b[?25l\x1b[?7l'
const leave = '\x1b[?7h\x1b[?25h\x1b[?1049l'

export type Key = 'up' | 'down' | 'pageUp' | 'pageDown' | 'first' | 'last' | 'open' | 'back' | 'quit'

const keys: Record<string, Key> = {
  '\x1b[A': 'up', '\x1bOA': 'up', k: 'up',
  '\x1b[B': 'down', '\x1bOB': 'down', j: 'down',
  '\x1b[5~': 'pageUp', '\x1b[6~': 'pageDown', ' ': 'pageDown',
  '\x1b[H': 'first', '\x1bOH': 'first', '\x1b[1~': 'first', g: 'first',
  '\x1b[F': 'last', '\x1bOF': 'last', '\x1b[4~': 'last', G: 'last',
  '\r': 'open', '\n': 'open', '\x1b[C': 'open', '\x1bOC': 'open', l: 'open',
  '\x1b': 'back', '\x1b[D': 'back', '\x1bOD': 'back', h: 'back', '\x7f': 'back',
  q: 'quit', Q: 'quit', '\x03': 'quit', '\x04': 'quit'
}

export interface Screen {
  /** Give the terminal back as it was. May be called twice. */
  close (): void
}

/**
 * Takes the whole terminal, and paints it several times a second.
 * @param draw the lines, without line breaks
 */
export function openScreen (output: WriteStream, input: ReadStream, draw: (size: Size) => string[], press: (key: Key) => void): Screen {
  let shown: string[] = []
  let isClosed = false

  function paint (): void {
    // A terminal that is slower than this, as over a bad line, gets fewer pictures and no queue of them.
    if (output.writableNeedDrain) return
    const lines = draw({ columns: output.columns || 80, rows: output.rows || 24 })
    // Erased first: after a line that fills its row the cursor is still on its last column.
    const changed = lines.map((line, i) => line === shown[i] ? '' : `\x1b[${i + 1};1H\x1b[2K${line}`).join('')
    shown = lines
    if (changed !== '') output.write(changed)
  }

  function repaint (): void {
    shown = []
    output.write('\x1b[2J')
    paint()
  }

  function pressed (data: Buffer): void {
    for (const key of keysIn(data.toString('latin1'))) {
      press(key)
      if (isClosed) return
    }
    paint()
  }

  function close (): void {
    if (isClosed) return
    isClosed = true
    clearInterval(timer)
    output.off('resize', repaint)
    input.off('data', pressed)
    if (input.isTTY) input.setRawMode(false)
    input.pause()
    output.write(leave)
  }

  output.write(enter)
  const timer = setInterval(paint, pace)
  output.on('resize', repaint)
  if (input.isTTY) {
    input.setRawMode(true)
    input.on('data', pressed)
  }
  // However the process ends, the terminal is somebody's.
  process.once('exit', close)
  repaint()
  return { close }
}

/** What one read has: held down, a key comes several times at once. */
function keysIn (data: string): Key[] {
  return [...data.matchAll(/\x1b(?:\[[0-9;]*[A-Za-z~]|O[A-Z])?|[^]/g)].flatMap(([sequence]) => keys[sequence] ?? [])
}

import { readFileSync } from 'node:fs'

/** `node profile.ts <file.cpuprofile>`: where a process of --profile spent its main thread, the most first. */

interface Profile {
  nodes: Array<{ id: number, callFrame: { functionName: string, url: string, lineNumber: number } }>
  samples: number[]
  timeDeltas: number[]
}

const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Profile
const frames = new Map(nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) =>
  [id, `${functionName || '(anonymous)'}  ${url.replace(/^.*node_modules\//, '').replace(/^file:.*\/(bench|dist)\//, '$1/')}:${lineNumber + 1}`]))
const self = new Map<string, number>()
for (const [i, sample] of samples.entries()) {
  const frame = frames.get(sample) ?? '?'
  self.set(frame, (self.get(frame) ?? 0) + (timeDeltas[i] ?? 0))
}
for (const frame of self.keys()) if (/^\((idle|program)\)/.test(frame)) self.delete(frame)
const busy = [...self.values()].reduce((sum, time) => sum + time, 0)
console.log('Self time on the main thread, without idle:')
for (const [frame, time] of [...self].sort(([, a], [, b]) => b - a).slice(0, 40)) {
  console.log(`${(time / 1000).toFixed(0).padStart(8)} ms ${(time / busy * 100).toFixed(1).padStart(5)} %  ${frame}`)
}

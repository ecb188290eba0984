import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { ask } from '../../../lib/query/ask.ts'
import { interestOf } from '../../../lib/query/live/interest.ts'
import { LiveQuestions } from '../../../lib/query/live/live-questions.ts'
import { parseQuery } from '../../../lib/query/parse.ts'
import { followed, followedRates, followEvery, type AxesOrder, type FollowFigures } from '../axes.ts'
import { flood, steady } from '../load.ts'
import { metricsPerMessage, uuidOf } from '../messages.ts'
import { dialectAt, openStore } from '../place.ts'
import { say, task } from '../task.ts'
import { inFlight } from '../writers.ts'

/** Most in one node. */
const perNode = 100
const agents = 20

/** The latest values of the agents that report, followed by ever more. */
await task<AxesOrder, FollowFigures[]>(async ({ place, seconds }) => {
  const store = openStore(dialectAt(place))
  await flood(store, { inFlight, seconds: Math.min(3, seconds) })
  const figures: FollowFigures[] = []
  for (const questions of followed) {
    say(`${questions} questions …`)
    let answers = 0
    let failed: unknown
    const nodes = Array.from({ length: Math.ceil(questions / perNode) }, () => new LiveQuestions(store.feed))
    await Promise.all(Array.from({ length: questions }, (_, i) => {
      const query = parseQuery({ query: 'latest', uuid: uuidOf(i % agents) }, Date.now())
      return nodes[Math.floor(i / perNode)]?.start(String(i), {
        interest: interestOf(query),
        every: followEvery,
        ask: async () => { for await (const { rows } of ask(await store.read(), query, { result: 'objects', most: 100 })) if (rows > 0) answers++ },
        failed: error => { failed = error }
      })
    }))
    const atRates: FollowFigures['steady'] = []
    for (const rate of followedRates) {
      const [before, started, loop] = [answers, performance.now(), performance.eventLoopUtilization()]
      const { latency } = await steady(store, { rate, ended: pause(seconds * 1_000) })
      const took = (performance.now() - started) / 1_000
      atRates.push({ busy: performance.eventLoopUtilization(loop).active / took, answers: (answers - before) / took, latency })
    }
    const { messages, seconds: took } = await flood(store, { inFlight, seconds })
    for (const node of nodes) node.close()
    if (failed !== undefined) throw failed
    figures.push({ questions, steady: atRates, full: messages * metricsPerMessage / took })
  }
  await store.close()
  return figures
})

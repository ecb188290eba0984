import type { Connection, Publication, Refusal, Settle, Taker } from '../broker/publication.ts'
import { sumOf, type IntakeStatistics } from '../intake/intake-statistics.ts'
import type { Intake } from '../intake/intake.ts'

/** The intakes of one broker, by the ids of their agent-in nodes; to the broker they are one taker. */
export class SlotIntakes extends Map<string, Intake> implements Taker {
  statistics (): IntakeStatistics {
    return sumOf([...this.values()].map(intake => intake.statistics()))
  }

  /** End an intake for good. */
  close (agentInId: string): void {
    const intake = this.get(agentInId)
    this.delete(agentInId)
    intake?.close()
  }

  /** A client that keeps to the smallest waits for none of them. */
  get mostUnsettled (): number | undefined {
    return this.size === 0 ? undefined : Math.min(...[...this.values()].map(intake => intake.mostUnsettled))
  }

  takes (topic: string): boolean {
    for (const intake of this.values()) if (intake.takes(topic)) return true
    return false
  }

  passes (topic: string, clientId: string): void {
    for (const intake of this.values()) intake.passes(topic, clientId)
  }

  reads (topic: string): boolean {
    for (const intake of this.values()) if (intake.reads(topic)) return true
    return false
  }

  get readFilters (): string[] {
    return [...this.values()].flatMap(intake => intake.readFilters)
  }

  read (publication: Publication, settle: Settle): void {
    const readers: Intake[] = []
    for (const intake of this.values()) if (intake.reads(publication.topic)) readers.push(intake)
    if (readers.length === 1) return readers[0]!.read(publication, settle)
    let open = readers.length
    let failure: Error | undefined
    if (open === 0) return settle()
    for (const intake of readers) {
      intake.read(publication, error => {
        failure ??= error
        if (--open === 0) settle(failure)
      })
    }
  }

  /** Each intake gets the publication; it is acknowledged once all of them settled it, and refused when all of them did. */
  take (publication: Publication, settle: Settle): void {
    // Nearly always.
    if (this.size === 1) for (const intake of this.values()) return intake.take(publication, settle)
    let open = this.size
    let failed = false
    let isWanted = false
    let refused: Refusal | undefined
    for (const intake of this.values()) {
      intake.take(publication, (error, refusal) => {
        open--
        refused ??= refusal
        isWanted ||= refusal === undefined
        if (failed || (error === undefined && open > 0)) return
        failed = error !== undefined
        settle(error, isWanted ? undefined : refused)
      })
    }
  }

  gone (connection: Connection, comesBack?: boolean, patience?: number): void {
    for (const intake of this.values()) intake.gone(connection, comesBack, patience)
  }
}

import type { Connection, Publication, Settle, Taker } from '../broker/publication.ts'
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

  takes (topic: string): boolean {
    for (const intake of this.values()) if (intake.takes(topic)) return true
    return false
  }

  passes (topic: string, clientId: string): void {
    for (const intake of this.values()) intake.passes(topic, clientId)
  }

  /** Each intake gets the publication; it is acknowledged once all of them settled it. */
  take (publication: Publication, settle: Settle): void {
    let open = this.size
    let failed = false
    for (const intake of this.values()) {
      intake.take(publication, error => {
        open--
        if (failed || (error === undefined && open > 0)) return
        failed = error !== undefined
        settle(error)
      })
    }
  }

  gone (connection: Connection, comesBack?: boolean): void {
    for (const intake of this.values()) intake.gone(connection, comesBack)
  }
}

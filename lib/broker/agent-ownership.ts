/** Whether a client may speak for an agent, or not because the agent is another user's or one too many. */
export type Ownership = 'theirs' | 'another' | 'tooMany'

/** Which user each agent belongs to. */
export interface AgentOwnership {
  /** Agents that one user may speak for; 0: any number. */
  readonly mostPerUser: number
  /**
   * A client speaks for an agent, which belongs to the client's user from now on if it is nobody's.
   * @param username proved; undefined: the user is not known, and owns nothing
   */
  claim (uuid: string, username: string | undefined): Ownership
  /** Whether an agent is the user's, who may then say that it disconnected; undefined: it is nobody's. */
  mayEnd (uuid: string, username: string | undefined): boolean | undefined
  /**
   * Let the agent belong to the next user that speaks for it. Resolves after the commit.
   * @returns whose it was; undefined: nobody's
   */
  forget (uuid: string): Promise<string | undefined>
  /** `forget` for all agents of a user. @returns how many they were */
  forgetUser (username: string): Promise<number>
}

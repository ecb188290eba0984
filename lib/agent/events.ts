import type { PlatziverseError } from '../errors.ts'
import type { Agent as Identity, ConnectedPayload, DisconnectedPayload, MessagePayload } from '../messages/schema.ts'
import type { InForce } from './commands.ts'

export interface AgentEvents {
  /** The broker accepted the connection; again after each loss. */
  connected: [agent: Identity]
  /** The connection was lost (`reason`; the agent tries again) or ended by `disconnect()`. */
  disconnected: [reason?: PlatziverseError]
  /** The broker acknowledged a message of this agent. */
  message: [payload: MessagePayload]
  /** A command, or another metric, changed what the agent does. */
  config: [inForce: InForce]
  /**
   * Something went wrong and the agent goes on: AGENT_UNREACHABLE, AGENT_TAKEN_OVER, AGENT_METRIC_FAILED, AGENT_BUFFER_FULL, AGENT_CLOSED,
   * AGENT_MESSAGE_REFUSED, AGENT_OPTION_INVALID, AGENT_COMMANDS_REFUSED, COMMAND_….
   */
  problem: [error: PlatziverseError]
  /** What other agents say. */
  'agent/connected': [payload: ConnectedPayload]
  'agent/disconnected': [payload: DisconnectedPayload]
  'agent/message': [payload: MessagePayload]
}

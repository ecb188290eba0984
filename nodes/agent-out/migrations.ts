import { adds, upgradeBy } from '../shared/migrations.ts'
import { agentOutDefaults, userPropertyDefaults } from './config.ts'

/** The node as any version saved it, as it is saved today. */
export const upgrade = upgradeBy(agentOutDefaults, [
  { to: '0.2.0', migrate: adds({ payload: 'message', agentState: false, expiry: 0, contentType: '', responseTopic: '', userProperties: [], topicAlias: true }) }
], { items: { userProperties: userPropertyDefaults } })

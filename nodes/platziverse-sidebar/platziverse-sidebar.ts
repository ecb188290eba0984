import { Bell } from '../../lib/overview/bell.ts'
import type { RED } from '../shared/red.ts'
import { registerAdmin } from './admin.ts'
import { changeTopic } from './config.ts'
import { marks } from './surroundings.ts'

/** The runtime's half of the sidebar: answers what there is to see, and tells editors when it changed. */
export default function (RED: RED): void {
  // Node-RED without an editor has no admin API.
  if (!RED.httpAdmin) return
  // Every editor hears it, whoever has logged in there: so it says that something changed, and not what. The endpoints need a permission.
  const bell = new Bell({ look: marks, ring: changed => { RED.comms.publish(changeTopic, { changed }, false) } })
  registerAdmin(RED, () => { bell.watch() })
}

/** What editors are told on when there is something else to see: `{changed: ['brokers', 'clients', 'agents', 'retained']}`, or some of them. */
export const changeTopic = 'platziverse/changed'

export const readPermission = 'platziverse.read'
export const writePermission = 'platziverse.write'

import { createServer } from 'node:net'
import { requireFromRoot } from '../../from-root.ts'

// d1: node ingest.ts <port>. An aedes with its defaults: takes, acknowledges, forgets.
const { Aedes } = requireFromRoot('aedes') as typeof import('aedes')

const broker = await Aedes.createBroker()
createServer(broker.handle).listen(Number(process.argv[2]), '127.0.0.1')

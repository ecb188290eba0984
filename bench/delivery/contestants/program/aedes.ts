import { createServer } from 'node:net'
import { requireFromRoot } from '../../../from-root.ts'

// e: node aedes.ts <port>
const { Aedes } = requireFromRoot('aedes') as typeof import('aedes')

const broker = await Aedes.createBroker()
createServer({ noDelay: true }, broker.handle).listen(Number(process.argv[2]), '127.0.0.1', 4096)

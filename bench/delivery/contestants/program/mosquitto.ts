import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

// m: node mosquitto.ts <port> <mosquitto>. Runs it as a child, which the sums of proc.ts include. setpriv: it ends with this
// process even when that is killed; for that it must keep its user, and says that root is a bad one.
const [, , , mosquitto = ''] = process.argv
const child = spawn('setpriv', ['--pdeathsig', 'KILL', mosquitto, '-c', 'mosquitto.conf'], { stdio: ['ignore', 'ignore', 'pipe'] })
createInterface(child.stderr).on('line', line => { if (!line.includes('should not be run as root')) console.error(line) })
child.once('exit', code => process.exit(code ?? 1))
process.once('exit', () => child.kill('SIGKILL'))

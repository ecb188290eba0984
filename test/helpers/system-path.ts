import { delimiter } from 'node:path'

/** The PATH, and where Debian installs servers that only root's PATH has. */
export const systemPath = [process.env['PATH'], '/usr/sbin', '/usr/local/sbin', '/opt/homebrew/sbin'].join(delimiter)

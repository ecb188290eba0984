// As express has them, whose types this package does not install.
type Request = { is (type: string): string | false | null }
type Response = { status (code: number): { json (body: object): unknown } }

/**
 * Answers 415 to all but JSON. A form of any website can send anything else to this machine's Node-RED, in the name of the person who
 * looks at it; for JSON the browser asks first, and Node-RED says no.
 */
export function jsonOnly (request: Request, response: Response, next: () => void): void {
  if (request.is('application/json')) next()
  else response.status(415).json({ code: 'NOT_JSON', message: 'The body is to be JSON, with the content type application/json.' })
}

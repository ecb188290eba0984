/** What an endpoint of the admin API answers when it refuses, whatever the HTTP status; of the runtime and the editor. */
export interface Refusal {
  ok: false
  /** A code of lib/errors.ts. */
  code: string
  /** What is wrong, in the language of the request; never with a secret in it. */
  detail: string
  /** What to do next, in the same language. */
  help: string
}

import type { Node, NodeAPI, NodeMessage } from 'node-red'
import { longestTimer } from '../../lib/time.ts'

/** Node-RED's types, narrowed to what this package uses. */
export type RED = NodeAPI
export type RedNode = Node
export type RedMessage = NodeMessage & Record<string, unknown>

/** A whole number as the editor saved it, maybe as text; `fallback` when it is empty or not a whole number. */
export function wholeNumber (value: number | string | undefined, fallback: number): number {
  const number = value === '' || value === undefined || value === null ? Number.NaN : Number(value)
  return Number.isInteger(number) && number >= 0 ? number : fallback
}

/** Whole seconds as the editor saved them, in ms; at most what a timer can wait. */
export function milliseconds (value: number | string | undefined, fallback: number | string): number {
  return Math.min(wholeNumber(value, Number(fallback)) * 1000, longestTimer)
}

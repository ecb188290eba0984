import { textsOf, type EditorNode } from '../../shared/editor/red.ts'
import { databaseDefaults, type DatabaseConfig } from '../config.ts'
import { upgrade } from '../migrations.ts'

// What the parts of the form share.

export type DatabaseNode = EditorNode & DatabaseConfig

/** What has a field of its own; the rest is a list. */
export type FieldName = Exclude<keyof DatabaseConfig, 'overrides' | 'hasLogin'>
export const fieldNames = Object.keys(databaseDefaults).filter(name => name !== 'overrides' && name !== 'hasLogin') as FieldName[]

export const text = textsOf('platziverse-database')

export function fieldOf (name: FieldName | 'user' | 'password' | 'url'): JQuery {
  return $(`#node-config-input-${name}`)
}

/** Whether the form of a node is the one that is open; true from `oneditprepare` on. */
export function isOpen (node: EditorNode): boolean {
  return fieldOf('client').data('node') === node.id
}

/** A property as the open form has it, else as it was saved. */
export function valueIn<Name extends FieldName> (node: DatabaseNode, name: Name): DatabaseConfig[Name] | string {
  return isOpen(node) ? String(fieldOf(name).val() ?? '').trim() : upgrade(node)[name]
}

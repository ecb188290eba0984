import { input, mark, valueOf } from '../../shared/editor/fields.ts'
import { markTab, type Part } from '../../shared/editor/form.ts'
import { RED } from '../../shared/editor/red.ts'
import { upgrade } from '../migrations.ts'
import { ask, complain, isOpen, text, type BrokerNode } from './form.ts'
import { prepareImport, type Problem } from './import.ts'

interface User {
  username: string
  /** Empty while none is known. */
  hash: string
}

interface Row extends User {
  name: JQuery
  password: JQuery
  /** The password that `hash` was made of while the form is open; empty: the one that was saved. */
  hashed: string
}

/** ms without a key press after which a password counts as typed. */
const pause = 400

/** The users as saved. Undefined: the editor does not know them, because the form was not opened since the last deploy. */
export function usersOf (node: BrokerNode): User[] | undefined {
  // An open form counts as it is, not as it was saved.
  const json = isOpen(node) ? String($('#node-input-users').val() ?? '') : node.credentials?.users
  return json === undefined ? undefined : parse(json)
}

/**
 * Fills the tab. The hidden input has the users as JSON, names and hashes: Node-RED saves it. Passwords are hashed by the runtime;
 * Done waits for that, and for every user to have a name and a password.
 */
export function prepareUsers (node: BrokerNode): Part {
  const field = $('#node-input-users').data('node', node.id)
  // Node-RED would take an empty input for a change.
  if (node.credentials) node.credentials.users ??= ''
  const rows: Row[] = []
  let filling = true
  let saved = false

  const json = () => {
    const users = rows.filter(({ username, hash }) => username !== '' && hash !== '').map(({ username, hash }) => ({ username, hash }))
    return users.length === 0 ? '' : JSON.stringify(users)
  }
  const changed = (): void => {
    const problem = check()
    if (saved) {
      saveLate()
      return
    }
    // A hash may arrive after the form was cancelled, when Done belongs to another form.
    if (field[0]?.isConnected !== true) return
    hold(problem)
    // Opening the form must not count as a change, however the users are written.
    if (!filling) field.val(json()).trigger('change')
  }
  /** Marks what is wrong; answers with it. */
  const check = (): string | undefined => {
    const problems = rows.map(row => {
      const { username } = row
      const open = row.hash === '' && row.password.val() === ''
      const blank = username === '' && open
      const twice = username !== '' && rows.some(other => other !== row && other.username === username)
      let name: string | undefined
      if (username === '' && !blank) name = text('platziverse-broker.user.nameMissing')
      else if (twice) name = text('platziverse-broker.user.twice', { username })
      const password = open && !blank ? text('platziverse-broker.user.passwordMissing', { username }) : undefined
      mark(row.name, name)
      mark(row.password, password)
      return name ?? password ?? (isTyped(row) ? text('platziverse-broker.user.hashing') : undefined)
    })
    const [first] = problems.filter(problem => problem !== undefined)
    markTab('platziverse-broker-users-tab', first !== undefined && first !== text('platziverse-broker.user.hashing'))
    return first
  }
  // Ctrl+Enter presses Done even when it is disabled: a hash that is still being made is saved when it arrives.
  const saveLate = (): void => {
    if (rows.some(isTyped) || RED.nodes.node(node.id) === undefined) return
    node.credentials = { ...node.credentials, users: json() }
    node.userCount = rows.length
    Object.assign(node, { changed: true, dirty: true })
    RED.nodes.dirty(true)
    RED.view.redraw()
  }

  const list = $('#platziverse-broker-users').editableList<Row>({
    addButton: text('platziverse-broker.user.add'),
    removable: true,
    height: 'auto',
    addItem (container, _index, item) {
      item.username ??= ''
      item.hash ??= ''
      item.hashed = ''
      item.name = input(item.username, text('platziverse-broker.user.name'))
      item.password = input('', text('platziverse-broker.user.password'), 'password').attr('autocomplete', 'new-password')
      if (item.hash !== '') item.password.attr({ placeholder: '••••••••', 'aria-label': text('platziverse-broker.user.newPassword') })
      container.addClass('platziverse-row').append($('<div>').append(item.name, item.password))
      item.name.on('input change', () => {
        item.username = valueOf(item.name)
        changed()
      })
      hashOnPause(item, changed)
      rows.push(item)
      changed()
    },
    removeItem (item) {
      rows.splice(rows.indexOf(item), 1)
      changed()
    }
  })
  list.editableList('addItems', parse(node.credentials?.users ?? ''))
  filling = false

  prepareImport<{ users: User[], problems: Problem[] }>({
    place: '#platziverse-broker-users-import',
    path: 'users/parse',
    label: text('platziverse-broker.user.import'),
    take ({ users }) {
      for (const user of users) {
        const known = rows.find(({ username }) => username === user.username)
        if (known === undefined) list.editableList('addItem', { ...user })
        else {
          known.hash = user.hash
          known.hashed = ''
          known.password.val('')
        }
      }
      changed()
      return text('platziverse-broker.user.imported', { count: users.length })
    }
  })

  const { userCount } = upgrade(node)
  const lost = userCount > 0 && rows.length === 0
  let isCounted = !lost
  $('#platziverse-broker-users-lost').toggle(lost)
  $('#platziverse-broker-users-lost-text').text(text('platziverse-broker.user.lost', { count: userCount }))
  $('#platziverse-broker-users-none').on('click', () => {
    isCounted = true
    $('#platziverse-broker-users-lost').hide()
  })

  return {
    save () {
      saved = rows.some(isTyped)
      // Looking at a form whose users were lost does not remove them.
      if (isCounted || rows.length > 0) node.userCount = rows.length
    }
  }
}

/** Whether a password was typed that is not hashed yet. */
function isTyped ({ password, hashed }: Row): boolean {
  const typed = String(password.val() ?? '')
  return typed !== '' && typed !== hashed
}

/** Hashes a password once typing pauses, or when its field is left. */
function hashOnPause (row: Row, changed: () => void): void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let asked = ''
  const before = row.hash
  const hash = async (): Promise<void> => {
    clearTimeout(timer)
    const password = String(row.password.val() ?? '')
    if (!isTyped(row) || password === asked) return
    asked = password
    try {
      const { hash } = await ask<{ hash: string }>('hash', { password })
      // The user may have typed on meanwhile.
      if (password === row.password.val()) Object.assign(row, { hash, hashed: password })
    } catch (error) {
      if (password === row.password.val()) row.password.val('')
      complain(error as Error)
    } finally {
      asked = ''
      changed()
    }
  }
  row.password.on('input', () => {
    clearTimeout(timer)
    if (row.password.val() === '') Object.assign(row, { hash: before, hashed: '' })
    else timer = setTimeout(() => { void hash() }, pause)
    changed()
  }).on('change', () => { void hash() })
}

/** Disables Done for a reason, which it then shows. */
function hold (reason: string | undefined): void {
  const held = reason !== undefined
  $('#node-dialog-ok').prop('disabled', held).toggleClass('ui-state-disabled', held).attr('title', reason ?? '')
}

function parse (json: string): User[] {
  try {
    const users: unknown = JSON.parse(json === '' ? '[]' : json)
    if (!Array.isArray(users)) return []
    return users.map(({ username, hash }: Partial<User>) => ({ username: String(username ?? ''), hash: String(hash ?? '') }))
  } catch {
    return []
  }
}

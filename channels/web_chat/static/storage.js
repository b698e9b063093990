// What the browser keeps of the talk: the session's key, each message that is not confirmed yet, an unsent text.
// Nothing is written before the visitor writes. Each waiting message has a place of its own, so that tabs do not write
// over each other. Without storage (blocked, full) the memory of the tab has to do.

/** @typedef {import('./types.js').Pending} Pending */

export class Keeper {
  /**
   * @param {string} site
   * @param {Storage | null} storage of all tabs
   * @param {Storage | null} ownStorage of this tab
   */
  constructor(site, storage, ownStorage) {
    this.name = `ai-admin-chat:${site}`
    this.waiting = `${this.name}:out:`
    this.storage = storage
    this.ownStorage = ownStorage
    this.token = ''
    /** @type {Map<string, Pending>} */
    this.items = new Map()
    this.refresh()
  }

  /** As other tabs have left it. Files and what could not be stored stay with this tab. */
  refresh() {
    const token = read(this.storage, this.name)
    if (token !== undefined) this.token = token || ''
    if (token === undefined) return
    const stored = this.stored()
    for (const [id, item] of this.items) if (!stored.has(id) && !item.blob && !item.unstored) this.items.delete(id)
    for (const [id, item] of stored) if (!this.items.get(id)?.blob) this.items.set(id, item)
  }

  /** @returns {Map<string, Pending>} */
  stored() {
    const found = new Map()
    for (const key of keys(this.storage)) {
      if (!key.startsWith(this.waiting)) continue
      try {
        const item = JSON.parse(read(this.storage, key) || '')
        if (isPending(item)) found.set(item.id, item)
      } catch {
        // somebody else's, or half written: not a message
      }
    }
    return found
  }

  /** In the order in which they were written. @returns {Pending[]} */
  get outbox() {
    return [...this.items.values()].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
  }

  /** @param {string} token */
  keepToken(token) {
    this.token = token
    write(this.storage, this.name, token)
  }

  /** @param {Pending} item */
  put(item) {
    const { id, text, button, files, at, state } = item
    const stored = !item.blob && write(this.storage, this.waiting + id, JSON.stringify({ id, text, button, files, at, state }))
    this.items.set(id, stored || item.blob ? item : { ...item, unstored: true })
  }

  /** @param {string} id */
  drop(id) {
    this.items.delete(id)
    write(this.storage, this.waiting + id, null)
  }

  get draft() {
    return read(this.ownStorage, this.name) || ''
  }

  /** @param {string} text kept only in a talk that has begun */
  set draft(text) {
    if (this.token || !text) write(this.ownStorage, this.name, text || null)
  }

  /** The key and the draft; with `outbox`, what waits too. @param {boolean} outbox */
  forget(outbox) {
    this.token = ''
    write(this.storage, this.name, null)
    write(this.ownStorage, this.name, null)
    if (outbox) for (const id of [...this.items.keys()]) this.drop(id)
  }
}

/** @param {any} item */
function isPending(item) {
  return item && typeof item.id === 'string' && typeof item.text === 'string' && Array.isArray(item.files)
}

/** @param {Storage | null} storage @param {string} key @returns {string | null | undefined} undefined: no storage */
function read(storage, key) {
  try {
    return storage ? storage.getItem(key) : undefined
  } catch {
    return undefined
  }
}

/** @param {Storage | null} storage @param {string} key @param {string | null} value null: none */
function write(storage, key, value) {
  if (!storage) return false
  try {
    if (value === null) storage.removeItem(key)
    else storage.setItem(key, value)
    return true
  } catch {
    return false
  }
}

/** @param {Storage | null} storage @returns {string[]} */
function keys(storage) {
  try {
    return storage ? Object.keys(storage) : []
  } catch {
    return []
  }
}

/** Reading the property alone may throw where storage is blocked. @param {'localStorage' | 'sessionStorage'} name */
export function pageStorage(name) {
  try {
    return window[name]
  } catch {
    return null
  }
}

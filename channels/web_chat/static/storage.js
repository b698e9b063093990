// What the browser keeps of the talk: the session's key, messages not yet confirmed, an unsent text.
// Nothing is written before the visitor writes; without storage (blocked, full) the memory of the tab has to do.

/**
 * @typedef {object} Kept
 * @property {string} token
 * @property {import('./types.js').Pending[]} outbox
 * @property {string} draft
 */

const EMPTY = { token: '', outbox: [], draft: '' }

export class Keeper {
  /**
   * @param {string} site
   * @param {Storage | null} storage
   */
  constructor(site, storage) {
    this.key = `ai-admin-chat:${site}`
    this.storage = storage
    /** @type {Kept} */
    this.memory = { ...EMPTY }
    this.memory = this.load()
  }

  /** @returns {Kept} */
  load() {
    try {
      const text = this.storage?.getItem(this.key)
      const found = text ? JSON.parse(text) : null
      if (!found) return this.storage ? { ...EMPTY } : this.memory
      return {
        token: String(found.token || ''),
        outbox: Array.isArray(found.outbox) ? found.outbox.filter(isPending) : [],
        draft: String(found.draft || ''),
      }
    } catch {
      return this.memory
    }
  }

  /** Another tab has written: its session is ours. */
  refresh() {
    this.memory = this.load()
    return this.memory
  }

  /** @param {Partial<Kept>} change */
  save(change) {
    this.memory = { ...this.memory, ...change }
    const { token, outbox, draft } = this.memory
    const stored = outbox.filter(item => !item.blob).map(({ id, text, button, files, at, state }) => ({
      id, text, button, files, at, state,
    })) // prettier-ignore
    try {
      this.storage?.setItem(this.key, JSON.stringify({ token, outbox: stored, draft }))
    } catch {
      // full or forbidden: this tab goes on without
    }
  }

  clear() {
    this.memory = { ...EMPTY }
    try {
      this.storage?.removeItem(this.key)
    } catch {
      // nothing was stored then
    }
  }
}

/** @param {any} item */
function isPending(item) {
  return item && typeof item.id === 'string' && typeof item.text === 'string' && Array.isArray(item.files)
}

/** Reading the property alone may throw where storage is blocked. @returns {Storage | null} */
export function pageStorage() {
  try {
    return window.localStorage
  } catch {
    return null
  }
}

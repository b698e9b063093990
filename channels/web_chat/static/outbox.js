// Messages on their way out: one after the other, again and again until the server has confirmed. The id of a message
// is made here and stays, so the server takes it once however often it comes, from however many tabs.

import { pause } from './backoff.js'
import { Refused } from './server.js'

export class Outbox {
  /**
   * @param {import('./storage.js').Keeper} keeper
   * @param {object} hooks
   * @param {(item: import('./types.js').Pending) => Promise<import('./types.js').Message>} hooks.send
   * @param {(message: import('./types.js').Message) => void} hooks.confirmed
   * @param {() => void} hooks.changed
   * @param {(error: Refused) => void} hooks.refused
   */
  constructor(keeper, hooks) {
    this.keeper = keeper
    this.hooks = hooks
    this.running = false
    this.failures = 0
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined
  }

  get items() {
    return this.keeper.outbox
  }

  /** @param {Omit<import('./types.js').Pending, 'id' | 'at' | 'state'>} message */
  add(message) {
    const item = { ...message, id: newId(), at: new Date().toISOString(), state: /** @type {const} */ ('waiting') }
    this.keeper.put(item)
    this.hooks.changed()
    void this.flush()
  }

  /** @param {string} id */
  retry(id) {
    this.change(id, { state: 'waiting' })
    this.failures = 0
    void this.flush()
  }

  /** @param {string} id */
  remove(id) {
    this.keeper.drop(id)
    this.hooks.changed()
  }

  /** @param {string} id @param {Partial<import('./types.js').Pending>} change */
  change(id, change) {
    const item = this.keeper.items.get(id)
    if (item) this.keeper.put({ ...item, ...change })
    this.hooks.changed()
  }

  /** Now, whatever pause was planned. */
  again() {
    this.failures = 0
    void this.flush()
  }

  async flush() {
    if (this.running) return
    clearTimeout(this.timer)
    this.running = true
    try {
      for (;;) {
        const item = this.items.find(one => one.state === 'waiting')
        if (!item) return
        let message
        try {
          message = await this.hooks.send(item)
        } catch (error) {
          const refusal = error instanceof Refused ? error : new Refused(0, 'broken')
          this.hooks.refused(refusal)
          if (!refusal.passing) {
            this.change(item.id, { state: 'failed' })
            continue
          }
          this.timer = setTimeout(() => void this.flush(), Math.max(refusal.waitMs, pause(++this.failures)))
          return
        }
        this.failures = 0
        this.keeper.drop(item.id)
        this.hooks.confirmed(message)
      }
    } finally {
      this.running = false
    }
  }
}

/** 128 random bits. `crypto.randomUUID` is missing on pages without https. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
}

// The talk as it is shown: confirmed messages by the server's sequence, then what waits to be sent. Pure.

export class Dialogue {
  constructor() {
    /** @type {Map<number, import('./types.js').Message>} */
    this.messages = new Map()
    this.lastSeq = 0
    this.readSeq = 0
    this.earlier = false
  }

  /**
   * Takes messages in any order, twice or more. Everything up to `lastSeq` is there afterwards, or a gap is told.
   * @param {import('./types.js').Message[]} messages
   * @returns {{ fresh: import('./types.js').Message[], gap: boolean }} fresh: not seen before, in order
   */
  take(messages) {
    const fresh = []
    for (const message of [...messages].sort((a, b) => a.seq - b.seq)) {
      if (this.messages.has(message.seq)) continue
      this.messages.set(message.seq, message)
      fresh.push(message)
    }
    const before = this.lastSeq
    while (this.messages.has(this.lastSeq + 1)) this.lastSeq++
    const highest = Math.max(0, ...this.messages.keys())
    return { fresh, gap: highest > this.lastSeq && (fresh.length > 0 || before !== this.lastSeq) }
  }

  /**
   * The newest page of a talk: its first message need not be number one.
   * @param {import('./types.js').Page} page
   */
  begin(page) {
    const first = page.messages[0]
    if (first && this.messages.size === 0) this.lastSeq = first.seq - 1
    if (!first) this.lastSeq = Math.max(this.lastSeq, page.last_seq)
    this.earlier = page.earlier
    this.readSeq = Math.max(this.readSeq, page.read_seq)
    return this.take(page.messages)
  }

  /** @param {import('./types.js').Page} page what came before the first message */
  prepend(page) {
    for (const message of page.messages) this.messages.set(message.seq, message)
    this.earlier = page.earlier
  }

  get firstSeq() {
    return this.messages.size ? Math.min(...this.messages.keys()) : 0
  }

  /** @returns {import('./types.js').Message[]} */
  get ordered() {
    return [...this.messages.values()].sort((a, b) => a.seq - b.seq)
  }

  get unread() {
    return this.ordered.filter(m => m.seq > this.readSeq && m.author !== 'visitor').length
  }

  /** The newest message while it is the other side's: only its choices are still a question. */
  get question() {
    const last = this.ordered.at(-1)
    return last && last.author !== 'visitor' ? last : null
  }

  /** @param {import('./types.js').Pending[]} outbox */
  unconfirmed(outbox) {
    const known = new Set(this.ordered.map(m => m.client_id).filter(Boolean))
    return outbox.filter(item => !known.has(item.id))
  }

  /**
   * @param {import('./types.js').Pending[]} outbox
   * @returns {import('./types.js').Line[]}
   */
  lines(outbox) {
    /** @type {import('./types.js').Line[]} */
    const lines = this.ordered.map(m => ({
      key: m.client_id || m.id, author: m.author, text: m.text, at: m.at, files: m.files || [], pending: '',
    })) // prettier-ignore
    for (const item of this.unconfirmed(outbox)) {
      lines.push({
        key: item.id, author: 'visitor', text: item.text, at: item.at, files: [], pending: item.state,
        local: item.kind,
      }) // prettier-ignore
    }
    return lines
  }
}

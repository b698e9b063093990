// The chat of one page: joins what is kept, what the server says and what is seen, and answers the page's calls.

import { Dialogue } from './dialogue.js'
import { Live } from './live.js'
import { Outbox } from './outbox.js'
import { Refused, Server } from './server.js'
import { Keeper, pageStorage } from './storage.js'
import { View } from './view.js'
import { language } from './words.js'

const TYPING_SHOWN_MS = 8_000
const TYPING_SAID_MS = 4_000
const READ_TOLD_MS = 600
const PAGE = 40

class Chat {
  /**
   * @param {import('./types.js').Options} options
   * @param {import('./types.js').Config} config
   * @param {Server} server
   */
  constructor(options, config, server) {
    this.options = options
    this.config = config
    this.server = server
    /** @type {Map<string, Set<Function>>} */
    this.listeners = new Map()
    this.lang = language(options.lang, document.documentElement.lang, navigator.language || '')
    this.keeper = new Keeper(options.site, pageStorage('localStorage'), pageStorage('sessionStorage'))
    this.dialogue = new Dialogue()
    this.opening = new Date().toISOString()
    this.loaded = false
    this.catching = false
    this.saidTyping = 0
    /** @type {Promise<void> | null} */
    this.making = null
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.typingTimer = undefined
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.readTimer = undefined
    this.outbox = new Outbox(this.keeper, {
      send: item => this.deliver(item),
      confirmed: message => this.take([message]),
      changed: () => this.draw(true),
      refused: error => this.refused(error),
    })
    this.live = new Live({
      url: () => this.server.liveUrl,
      hello: () => ({ token: this.server.token, after: this.dialogue.lastSeq }),
      heard: frame => this.heard(frame),
      state: up => this.connection(up),
      ask: () => this.catchUp(),
    })
    this.view = new View({
      options, config, lang: this.lang,
      fileUrl: file => server.fileUrl(file),
      toggled: open => this.toggled(open),
      send: (text, button) => this.outbox.add({ text, files: [], ...(button ? { button } : {}) }),
      sendFile: (blob, name, kind) => this.outbox.add({ text: '', files: [], blob, name, kind }),
      written: text => this.written(text),
      retry: id => this.outbox.retry(id),
      remove: id => this.outbox.remove(id),
      earlier: () => void this.showEarlier(),
      call: event => this.call(event),
    }) // prettier-ignore
    window.addEventListener('online', () => this.connection(this.live.up))
    window.addEventListener('offline', () => this.connection(false))
    window.addEventListener('storage', event => (event.key === null || event.key.startsWith(this.keeper.name)) && this.otherTab())
    document.addEventListener('visibilitychange', () => this.markRead())
  }

  async begin() {
    const { token, draft } = this.keeper
    this.server.token = token
    this.view.composer.text = draft
    this.draw(false)
    if (token) await this.join()
    this.view.lines.announce(true)
    this.loaded = true
    void this.outbox.flush()
    if (this.options.open) this.view.toggle(true)
    this.emit('ready', {})
  }

  /** A session that was kept: its history, then the live connection. */
  async join() {
    try {
      this.dialogue.begin(await this.server.history({ latest: PAGE }))
    } catch (error) {
      if (error instanceof Refused && error.status === 401) {
        this.forgetSession()
        return
      }
      // no connection now: the live connection brings what is missing as soon as there is one
    }
    this.draw(false)
    this.live.start()
  }

  // --- out ---

  /**
   * A server that knows the session no more (reset elsewhere, thrown away) is asked for a new one: the message is not
   * lost. A file belongs to its session and goes again.
   * @param {import('./types.js').Pending} item
   * @param {boolean} [again]
   * @returns {Promise<import('./types.js').Message>}
   */
  async deliver(item, again = false) {
    if (!this.server.token) await this.makeSession()
    try {
      let { files } = item
      if (item.blob && !files.length) {
        files = [(await this.server.upload(item.blob, item.name || '')).id]
        this.outbox.change(item.id, { files })
      }
      return (await this.server.send({ ...item, files })).message
    } catch (error) {
      if (again || !(error instanceof Refused) || error.status !== 401) throw error
      this.forgetSession()
      return this.deliver(item.blob ? { ...item, files: [] } : item, true)
    }
  }

  makeSession() {
    this.making ||= (async () => {
      try {
        this.keeper.refresh() // perhaps another tab was first
        this.server.token = this.keeper.token || (await this.server.session(this.lang)).token
        this.keeper.keepToken(this.server.token)
        this.live.restart()
      } finally {
        this.making = null
      }
    })()
    return this.making
  }

  /** @param {Refused} error */
  refused(error) {
    if (error.status === 429) this.view.tell(this.view.words.slow)
    else if (error.status === 0) this.connection(false)
    this.emit('error', { code: error.code, status: error.status })
  }

  /** @param {string} text */
  written(text) {
    this.keeper.draft = text
    if (text && Date.now() - this.saidTyping > TYPING_SAID_MS && this.live.say({ type: 'typing' })) this.saidTyping = Date.now()
  }

  // --- in ---

  /** @param {any} frame */
  heard(frame) {
    if (frame.type === 'messages') this.take(frame.messages)
    else if (frame.type === 'typing') this.typing(true)
    else if (frame.type === 'read') {
      this.dialogue.readSeq = Math.max(this.dialogue.readSeq, frame.seq)
      this.draw(false)
    } else if (frame.type === 'denied') this.denied()
  }

  /** @param {import('./types.js').Message[]} messages */
  take(messages) {
    const { fresh, gap } = this.dialogue.take(messages)
    for (const message of fresh) if (message.client_id) this.keeper.drop(message.client_id)
    const theirs = fresh.filter(message => message.author !== 'visitor')
    if (theirs.length) this.typing(false)
    this.draw(fresh.some(message => message.author === 'visitor'))
    for (const message of theirs) this.emit('message', { id: message.id, text: message.text, author: message.author })
    if (gap) void this.catchUp().catch(() => undefined)
  }

  /** Everything after what is there without a hole. */
  async catchUp() {
    if (this.catching || !this.server.token) return
    this.catching = true
    try {
      for (;;) {
        const after = this.dialogue.lastSeq
        const page = await this.server.history({ after, limit: 100 })
        this.dialogue.readSeq = Math.max(this.dialogue.readSeq, page.read_seq)
        this.take(page.messages)
        if (!page.messages.length || this.dialogue.lastSeq >= page.last_seq || this.dialogue.lastSeq === after) return
      }
    } finally {
      this.catching = false
    }
  }

  async showEarlier() {
    try {
      this.view.lines.announce(false)
      this.dialogue.prepend(await this.server.history({ before: this.dialogue.firstSeq, limit: PAGE }))
      this.draw(false)
    } catch {
      this.connection(false)
    } finally {
      this.view.lines.announce(true)
    }
  }

  /** @param {boolean} on */
  typing(on) {
    clearTimeout(this.typingTimer)
    this.view.showTyping(on)
    if (on) this.typingTimer = setTimeout(() => this.view.showTyping(false), TYPING_SHOWN_MS)
  }

  /** @param {boolean} up */
  connection(up) {
    const lost = !navigator.onLine || (!up && this.live.wanted)
    if (lost) {
      if (this.loaded) this.view.tell(this.view.words.offline)
      this.typing(false)
      return
    }
    if (this.view.note.textContent) {
      this.view.tell(this.view.words.back)
      setTimeout(() => this.view.note.textContent === this.view.words.back && this.view.tell(''), 4000)
    }
    this.outbox.again()
    this.markRead()
  }

  denied() {
    this.forgetSession()
    void this.outbox.flush()
  }

  // --- what is seen ---

  /** @param {boolean} own */
  draw(own) {
    const lines = this.dialogue.lines(this.outbox.items)
    const { greeting, choices } = this.config
    const text = greeting[this.lang] || greeting.ru
    if (text && !this.dialogue.earlier) {
      const at = lines[0] ? lines[0].at : this.opening
      lines.unshift({ key: 'greeting', author: 'agent', text, at, files: [], pending: '', timeless: true })
    }
    const question = this.outbox.items.length ? null : this.dialogue.question
    const first = this.dialogue.messages.size === 0 && !this.outbox.items.length
    const offered = first ? (choices[this.lang] || []).map(text => ({ text, payload: '' })) : question?.choices || []
    this.view.draw(lines, offered, { earlier: this.dialogue.earlier, phone: question?.ask === 'phone', own })
    const before = this.view.unread
    this.markRead()
    this.view.showUnread(this.dialogue.unread)
    if (before !== this.dialogue.unread) this.emit('unread', { count: this.dialogue.unread })
  }

  /** What is on the screen is read; the server is told a moment later, once for all that came meanwhile. */
  markRead() {
    const { dialogue } = this
    if (!this.view.opened || document.hidden || dialogue.readSeq >= dialogue.lastSeq) return
    dialogue.readSeq = dialogue.lastSeq
    this.view.showUnread(0)
    if (dialogue.question) this.tellRead()
  }

  tellRead() {
    this.readTimer ||= setTimeout(async () => {
      this.readTimer = undefined
      const seq = this.dialogue.readSeq
      if (this.live.say({ type: 'read', seq }) || !this.server.token) return
      await this.server.read(seq).catch(() => undefined) // the next mark tells it too
    }, READ_TOLD_MS)
  }

  /** @param {boolean} open */
  toggled(open) {
    this.markRead()
    this.view.showUnread(this.dialogue.unread)
    this.emit(open ? 'open' : 'close', {})
  }

  /** @param {Event} event The page may take the call itself (WebRTC); else it is the telephone's. */
  call(event) {
    const proceed = this.emit('call', { phone: this.config.phone })
    if (!proceed || !this.config.phone) event.preventDefault()
  }

  otherTab() {
    const before = this.server.token
    this.keeper.refresh()
    const { token } = this.keeper
    if (token === before) {
      this.draw(false)
      return
    }
    this.startAnew(token)
    if (token) void this.join()
    else this.live.stop()
  }

  /** @param {string} token */
  startAnew(token) {
    this.dialogue = new Dialogue()
    this.server.token = token
    this.view.lines.announce(false)
    this.draw(false)
    this.view.lines.announce(true)
  }

  forgetSession() {
    this.live.stop()
    this.keeper.forget(false)
    this.startAnew('')
  }

  // --- the page's calls ---

  /** @param {string} proof JWT of the salon's own server: who is logged in there */
  async setUser(proof) {
    if (!this.server.token) await this.makeSession()
    const told = await this.server.identity(proof)
    if (told.moved) {
      this.startAnew(this.server.token)
      this.live.stop()
      await this.join()
    }
    return { name: told.name }
  }

  /** After a log-out: the next person at this device sees nothing of the talk. */
  async reset() {
    const token = this.server.token
    this.view.composer.text = ''
    this.live.stop()
    this.keeper.forget(true)
    this.startAnew('')
    if (token) {
      const old = new Server(this.options.base, this.options.site)
      old.token = token
      await old.forget().catch(() => undefined)
    }
  }

  /** @param {string} name @param {object} detail @returns {boolean} false: somebody has taken it over */
  emit(name, detail) {
    const event = new CustomEvent(`ai-admin-chat:${name}`, { detail, cancelable: true })
    for (const listener of this.listeners.get(name) || []) {
      try {
        listener(detail, event)
      } catch (error) {
        console.error('AI-Admin chat: a listener of the page failed', error)
      }
    }
    return window.dispatchEvent(event)
  }
}

/** @param {import('./types.js').Options} options */
export async function start(options) {
  const server = new Server(options.base, options.site)
  let config
  for (let tries = 0; !config; tries++) {
    try {
      config = await server.config()
    } catch (error) {
      const refusal = error instanceof Refused ? error : new Refused(0, 'broken')
      // a page that is not the salon's may not even read the refusal
      if (tries === 0) console.warn(`AI-Admin chat: no settings (${refusal.code}); is this page among the addresses of the chat?`)
      if (!refusal.passing) return null
      await new Promise(resolve => setTimeout(resolve, Math.min(60_000, 2000 * 2 ** tries)))
    }
  }
  config.call = config.call && (Boolean(config.phone) || options.call === 'webrtc')
  const chat = new Chat(options, config, server)
  await chat.begin()
  return {
    open: () => chat.view.toggle(true),
    close: () => chat.view.toggle(false),
    toggle: () => chat.view.toggle(),
    setTheme: (/** @type {string} */ theme) => chat.view.setTheme(theme),
    setUser: (/** @type {string} */ proof) => chat.setUser(proof),
    reset: () => chat.reset(),
    on: (/** @type {string} */ name, /** @type {Function} */ listener) => {
      const all = chat.listeners.get(name) || new Set()
      chat.listeners.set(name, all.add(listener))
    },
    off: (/** @type {string} */ name, /** @type {Function} */ listener) => {
      chat.listeners.get(name)?.delete(listener)
    },
  }
}

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
    this.keeper = new Keeper(options.site, pageStorage())
    this.dialogue = new Dialogue()
    this.opening = new Date().toISOString()
    this.loaded = false
    this.catching = false
    this.saidTyping = 0
    /** @type {Promise<void> | null} */
    this.making = null
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.typingTimer = undefined
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
    window.addEventListener('storage', event => event.key === this.keeper.key && this.otherTab())
    document.addEventListener('visibilitychange', () => this.markRead())
  }

  async begin() {
    const kept = this.keeper.memory
    this.server.token = kept.token
    this.view.composer.text = kept.draft
    this.draw(false)
    if (kept.token) await this.join()
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

  /** @param {import('./types.js').Pending} item */
  async deliver(item) {
    if (!this.server.token) await this.makeSession()
    let files = item.files
    if (item.blob && !files.length) {
      files = [(await this.guarded(() => this.server.upload(/** @type {Blob} */ (item.blob), item.name || ''))).id]
      this.outbox.change(item.id, { files })
    }
    return (await this.guarded(() => this.server.send({ ...item, files }))).message
  }

  makeSession() {
    this.making ||= (async () => {
      try {
        const found = this.keeper.refresh().token // another tab was first
        this.server.token = found || (await this.server.session(this.lang)).token
        this.keeper.save({ token: this.server.token })
        this.live.restart()
      } finally {
        this.making = null
      }
    })()
    return this.making
  }

  /**
   * The server knows the session no more (reset elsewhere, thrown away): a new one, and the message is not lost.
   * @template T
   * @param {() => Promise<T>} request
   * @returns {Promise<T>}
   */
  async guarded(request) {
    try {
      return await request()
    } catch (error) {
      if (!(error instanceof Refused) || error.status !== 401) throw error
      this.forgetSession()
      await this.makeSession()
      return request()
    }
  }

  /** @param {Refused} error */
  refused(error) {
    if (error.status === 429) this.view.tell(this.view.words.slow)
    else if (error.status === 0) this.connection(false)
    this.emit('error', { code: error.code, status: error.status })
  }

  /** @param {string} text */
  written(text) {
    if (this.keeper.memory.token) this.keeper.save({ draft: text })
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
    const mine = new Set(fresh.map(message => message.client_id))
    if (this.outbox.items.some(item => mine.has(item.id))) {
      this.keeper.save({ outbox: this.outbox.items.filter(item => !mine.has(item.id)) })
    }
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
    const waiting = this.outbox.items
    this.forgetSession()
    this.keeper.save({ outbox: waiting })
    void this.outbox.flush()
  }

  // --- what is seen ---

  /** @param {boolean} own */
  draw(own) {
    const lines = this.dialogue.lines(this.outbox.items)
    const { greeting, choices } = this.config
    if (!lines.length) {
      const text = greeting[this.lang] || greeting.ru
      if (text) lines.push({ key: 'greeting', author: 'agent', text, at: this.opening, files: [], pending: '' })
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

  markRead() {
    const { dialogue } = this
    if (!this.view.opened || document.hidden || dialogue.readSeq >= dialogue.lastSeq) return
    const seq = dialogue.lastSeq
    if (!this.live.say({ type: 'read', seq })) return
    dialogue.readSeq = seq
    this.view.showUnread(dialogue.unread)
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
    const { token } = this.keeper.refresh()
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
    const { outbox } = this.keeper.memory
    this.live.stop()
    this.keeper.clear()
    if (outbox.length) this.keeper.save({ outbox })
    this.startAnew('')
  }

  // --- the page's calls ---

  /** @param {string} proof JWT of the salon's own server: who is logged in there */
  async setUser(proof) {
    if (!this.server.token) await this.makeSession()
    const told = await this.guarded(() => this.server.identity(proof))
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
    this.keeper.clear()
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
      if (!refusal.passing) {
        console.error(`AI-Admin chat: the server refused this page (${refusal.code}); is its address among the site's?`)
        return null
      }
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

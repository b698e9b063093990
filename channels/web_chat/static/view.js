// The launcher and the panel: what is seen, where the focus is, what a screen reader is told.

import { focused, icon, make } from './elements.js'
import { buildPanel } from './panel.js'
import { CSS, readableOn } from './style.js'
import { unreadWords, words as wordsOf } from './words.js'

const SMALL = '(max-width: 520px), (max-height: 420px)'

/**
 * @typedef {object} Tools
 * @property {import('./types.js').Options} options
 * @property {import('./types.js').Config} config
 * @property {import('./words.js').Language} lang
 * @property {(file: import('./types.js').FileLink) => string} fileUrl
 * @property {(open: boolean) => void} toggled
 * @property {(text: string, button?: string) => void} send
 * @property {(blob: Blob, name: string, kind: 'image' | 'voice') => void} sendFile
 * @property {(text: string) => void} written
 * @property {(id: string) => void} retry
 * @property {(id: string) => void} remove
 * @property {() => void} earlier
 * @property {(event: Event) => void} call
 */

export class View {
  /** @param {Tools} tools */
  constructor(tools) {
    this.tools = tools
    this.words = wordsOf(tools.lang)
    this.opened = false
    this.unread = 0
    this.theme = tools.options.theme
    const { config, options, lang } = tools
    this.host = document.createElement('ai-admin-chat')
    this.host.lang = lang
    this.shadow = this.host.attachShadow({ mode: 'open' })
    this.dress()
    this.root = make('aside', { class: 'root', 'aria-label': this.words.chat, lang })
    if ((options.position || config.position) === 'left') this.root.classList.add('left')
    this.badge = make('span', { class: 'badge', 'aria-hidden': 'true', hidden: true })
    this.picture = make('span', {}, icon('chat'))
    this.launcher = make('button', {
      type: 'button', class: 'launcher', 'aria-haspopup': 'dialog', 'aria-controls': 'panel', 'aria-expanded': 'false',
      onclick: () => this.toggle(),
    }, this.picture, this.badge) // prettier-ignore
    const parts = buildPanel(tools, this.words, {
      close: () => this.toggle(false),
      toEnd: () => this.toEnd(),
      scrolled: () => this.atEnd() && (this.pill.hidden = true),
      complain: text => this.tell(text, true),
    })
    this.panel = parts.panel
    this.note = parts.note
    this.lines = parts.lines
    this.earlier = parts.earlier
    this.choices = parts.choices
    this.typing = parts.typing
    this.scroll = parts.scroll
    this.composer = parts.composer
    this.pill = parts.pill
    this.root.append(this.launcher, this.panel)
    this.shadow.append(this.root)
    this.root.addEventListener('keydown', event => this.key(event))
    this.small = window.matchMedia(SMALL)
    this.small.addEventListener('change', () => this.layout())
    const dark = window.matchMedia('(prefers-color-scheme: dark)')
    dark.addEventListener('change', () => this.setTheme(this.theme))
    this.dark = dark
    window.visualViewport?.addEventListener('resize', () => this.layout())
    this.setTheme(this.theme)
    this.layout()
    this.showUnread(0)
    this.attach()
    // pages that replace their body while they live must not lose the chat
    new MutationObserver(() => this.attach()).observe(document.documentElement, { childList: true })
  }

  attach() {
    if (document.body && this.host.parentNode !== document.body) document.body.append(this.host)
  }

  dress() {
    try {
      const sheet = new CSSStyleSheet()
      sheet.replaceSync(CSS)
      this.shadow.adoptedStyleSheets = [sheet]
    } catch {
      const style = document.createElement('style') // browsers before 2023
      style.nonce = this.tools.options.nonce
      style.textContent = CSS
      this.shadow.append(style)
    }
    const { color } = this.tools.config
    if (/^#[0-9a-f]{6}$/i.test(color)) {
      this.host.style.setProperty('--accent', color)
      this.host.style.setProperty('--on-accent', readableOn(color))
    }
  }

  /** @param {boolean} [open] */
  toggle(open = !this.opened) {
    if (open === this.opened) return
    this.opened = open
    this.panel.hidden = !open
    this.launcher.setAttribute('aria-expanded', String(open))
    this.root.classList.toggle('opened', open)
    this.picture.replaceChildren(icon(open ? 'down' : 'chat'))
    this.showUnread(this.unread)
    this.layout()
    if (open) {
      this.toEnd()
      this.composer.fit()
      this.composer.input.focus({ preventScroll: true })
    } else if (this.root.contains(focused()) || focused() === document.body) {
      this.launcher.focus({ preventScroll: true })
    }
    this.tools.toggled(open)
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (!this.opened) return
    if (event.key === 'Escape') {
      event.stopPropagation()
      this.toggle(false)
    }
    // over the whole screen there is nothing behind the panel to go to
    if (event.key !== 'Tab' || !this.root.classList.contains('full')) return
    const stops = /** @type {HTMLElement[]} */ ([...this.panel.querySelectorAll('button,a[href],textarea,[tabindex="0"],audio')])
      .filter(one => one.offsetParent !== null) // prettier-ignore
    const edge = event.shiftKey ? stops[0] : stops.at(-1)
    if (focused() === edge) {
      event.preventDefault()
      ;(event.shiftKey ? stops.at(-1) : stops[0])?.focus()
    }
  }

  layout() {
    const full = this.small.matches
    this.root.classList.toggle('full', full)
    if (full && this.opened) this.panel.setAttribute('aria-modal', 'true')
    else this.panel.removeAttribute('aria-modal')
    const height = window.visualViewport?.height // what the keyboard of a telephone leaves
    this.host.style.setProperty('--screen', height ? `${Math.round(height)}px` : '100dvh')
    if (this.opened && this.atEnd(160)) this.toEnd()
  }

  /** @param {string} theme light, dark or auto */
  setTheme(theme) {
    this.theme = theme
    this.host.dataset.theme = theme === 'dark' || (theme !== 'light' && this.dark.matches) ? 'dark' : 'light'
  }

  /** @param {number} count */
  showUnread(count) {
    this.unread = count
    this.badge.hidden = count === 0 || this.opened
    this.badge.textContent = count > 99 ? '99+' : String(count)
    const name = this.opened ? this.words.close : this.words.open
    this.launcher.setAttribute('aria-label', count && !this.opened ? `${name}, ${unreadWords(this.tools.lang, count)}` : name)
  }

  /**
   * @param {import('./types.js').Line[]} lines
   * @param {import('./types.js').Choice[]} choices
   * @param {{ earlier: boolean, phone: boolean, own: boolean }} more own: the visitor has just written
   */
  draw(lines, choices, more) {
    const end = this.atEnd()
    const first = this.lines.element.firstElementChild
    const from = this.scroll.scrollHeight - this.scroll.scrollTop
    this.earlier.hidden = !more.earlier
    this.lines.draw(lines)
    this.offer(choices)
    this.composer.expectPhone(more.phone)
    if (end || more.own) this.toEnd()
    else if (first && first !== this.lines.element.firstElementChild) this.scroll.scrollTop = this.scroll.scrollHeight - from
    else if (this.opened) this.pill.hidden = this.atEnd()
  }

  /** @param {import('./types.js').Choice[]} choices */
  offer(choices) {
    const stamp = JSON.stringify(choices)
    if (this.choices.dataset.stamp === stamp) return
    this.choices.dataset.stamp = stamp
    const inside = this.choices.contains(focused())
    this.choices.hidden = choices.length === 0
    this.choices.replaceChildren(...choices.map(choice =>
      make('button', { type: 'button', class: 'choice', onclick: () => this.tools.send(choice.text, choice.payload) }, choice.text),
    )) // prettier-ignore
    if (inside) this.composer.input.focus()
  }

  /** @param {boolean} on */
  showTyping(on) {
    const end = this.atEnd()
    this.typing.textContent = on ? this.words.typing : ''
    if (end) this.toEnd()
  }

  /** @param {string} text empty: nothing to say @param {boolean} [bad] */
  tell(text, bad = false) {
    this.note.textContent = text
    this.note.classList.toggle('bad', bad)
  }

  atEnd(slack = 40) {
    return this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < slack
  }

  toEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight
    this.pill.hidden = true
  }
}

// The list of messages as elements. Lines are kept by key: a confirmed message stays the element that it was, so
// nothing is announced or drawn twice.

import { make } from './elements.js'
import { spans } from './markup.js'

export class Lines {
  /**
   * @param {object} tools
   * @param {import('./words.js').Words} tools.words
   * @param {string} tools.lang
   * @param {(file: import('./types.js').FileLink) => string} tools.fileUrl
   * @param {(id: string) => void} tools.retry
   * @param {(id: string) => void} tools.remove
   */
  constructor(tools) {
    this.tools = tools
    this.element = make('div', { class: 'log', role: 'log', 'aria-live': 'off', 'aria-relevant': 'additions', 'aria-label': tools.words.log })
    /** @type {Map<string, { element: HTMLElement, stamp: string }>} */
    this.drawn = new Map()
  }

  /** @param {boolean} on history that is filled in is not read out, what is said from now on is */
  announce(on) {
    this.element.setAttribute('aria-live', on ? 'polite' : 'off')
  }

  /** @param {import('./types.js').Line[]} lines */
  draw(lines) {
    /** @type {Map<string, { element: HTMLElement, stamp: string }>} */
    const next = new Map()
    let day = ''
    for (const line of lines) {
      const date = new Date(line.at)
      const today = date.toDateString()
      if (today !== day) {
        day = today
        const key = `day:${today}`
        next.set(key, this.drawn.get(key) || { element: make('div', { class: 'day' }, this.dayName(date)), stamp: '' })
      }
      const stamp = JSON.stringify([line.pending, line.text, line.files.length, line.author])
      const old = this.drawn.get(line.key)
      if (old && old.stamp === stamp) next.set(line.key, old)
      else {
        const element = old?.element || make('div', {})
        this.fill(element, line)
        next.set(line.key, { element, stamp })
      }
    }
    for (const [key, { element }] of this.drawn) if (!next.has(key)) element.remove()
    /** @type {Element | null} */
    let at = this.element.firstElementChild
    for (const { element } of next.values()) {
      if (element === at) at = at.nextElementSibling
      else this.element.insertBefore(element, at)
    }
    this.drawn = next
  }

  /** @param {HTMLElement} element @param {import('./types.js').Line} line */
  fill(element, line) {
    const { words, lang } = this.tools
    const mine = line.author === 'visitor'
    const name = mine ? words.you : words[/** @type {'agent' | 'human' | 'system'} */ (line.author)]
    element.className = `line ${line.author}`
    const bubble = make('div', { class: 'bubble' }, make('span', { class: 'sr' }, `${name}: `))
    for (const file of line.files) bubble.append(this.file(file))
    if (line.local && !line.files.length) bubble.append(`${line.local === 'image' ? words.photo : words.voice} `)
    for (const span of spans(line.text)) bubble.append(this.span(span))
    const time = new Date(line.at).toLocaleTimeString(lang, { hour: '2-digit', minute: '2-digit' })
    const under = make('div', { class: 'under' })
    if (line.author === 'human') under.append(make('span', { 'aria-hidden': 'true' }, name))
    if (line.pending === 'failed') {
      under.append(
        make('span', { class: 'bad' }, words.failed),
        make('button', { type: 'button', onclick: () => this.tools.retry(line.key) }, words.retry),
        make('button', { type: 'button', onclick: () => this.tools.remove(line.key) }, words.remove),
      )
    } else if (!line.timeless) under.append(line.pending ? words.waiting : make('time', { datetime: line.at }, time))
    element.replaceChildren(bubble, under)
  }

  /** @param {import('./types.js').Span} span */
  span(span) {
    if (span.kind === 'text') return span.text
    if (span.kind === 'bold') return make('strong', {}, span.text)
    const outside = span.href.startsWith('http')
    return make('a', { href: span.href, target: outside && '_blank', rel: outside && 'noopener noreferrer nofollow' }, span.text)
  }

  /** @param {import('./types.js').FileLink} file */
  file(file) {
    const { words } = this.tools
    const url = this.tools.fileUrl(file)
    if (file.kind === 'image') {
      const picture = make('img', { src: url, alt: words.photo, loading: 'lazy', decoding: 'async' })
      return make('a', { href: url, target: '_blank', rel: 'noopener noreferrer' }, picture)
    }
    if (file.kind === 'voice') return make('audio', { src: url, controls: true, preload: 'metadata', 'aria-label': words.voice })
    return make('a', { href: url, target: '_blank', rel: 'noopener noreferrer' }, file.name || words.file)
  }

  /** @param {Date} date */
  dayName(date) {
    const { words, lang } = this.tools
    const away = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86_400_000)
    if (away === 0) return words.today
    if (away === 1) return words.yesterday
    return date.toLocaleDateString(lang, { day: 'numeric', month: 'long', ...(away > 300 ? { year: 'numeric' } : {}) })
  }
}

// The panel's elements: head, messages, composer. How they behave is the view's.

import { Composer } from './composer.js'
import { icon, make } from './elements.js'
import { Lines } from './lines.js'

/**
 * @param {import('./view.js').Tools} tools
 * @param {import('./words.js').Words} words
 * @param {{ close: () => void, toEnd: () => void, scrolled: () => void, complain: (text: string) => void }} acts
 */
export function buildPanel(tools, words, acts) {
  const { config } = tools
  const title = config.title || words.chat
  const note = make('div', { class: 'note', role: 'status' })
  const lines = new Lines({ words, lang: tools.lang, fileUrl: tools.fileUrl, retry: tools.retry, remove: tools.remove })
  const earlier = make('button', { type: 'button', class: 'earlier', hidden: true, onclick: () => tools.earlier() }, words.earlier)
  const choices = make('div', { class: 'choices', role: 'group', 'aria-label': words.choices, hidden: true })
  const typing = make('div', { class: 'typing', role: 'status' })
  const scroll = make('div', {
    class: 'scroll', tabindex: 0, role: 'region', 'aria-label': words.log, onscroll: () => acts.scrolled(),
  }, earlier, lines.element, choices, typing) // prettier-ignore
  const composer = new Composer({
    words, config, send: text => tools.send(text), sendFile: tools.sendFile, written: tools.written, complain: acts.complain,
  }) // prettier-ignore
  const pill = make('button', { type: 'button', class: 'pill', hidden: true, onclick: acts.toEnd }, words.newMessages)
  const foot = make('div', { class: 'foot' }, pill, composer.element, legal(config, words))
  const panel = make('div', {
    class: 'panel', id: 'panel', role: 'dialog', 'aria-label': words.chatWith + title, hidden: true,
  }, head(tools, words, title, acts.close), note, scroll, foot) // prettier-ignore
  return { panel, note, lines, earlier, choices, typing, scroll, composer, pill }
}

/**
 * @param {import('./view.js').Tools} tools
 * @param {import('./words.js').Words} words
 * @param {string} title
 * @param {() => void} close
 */
function head(tools, words, title, close) {
  const { phone, call } = tools.config
  const attributes = { class: 'icon', 'aria-label': words.call, onclick: (/** @type {Event} */ event) => tools.call(event) }
  // a real link where the telephone can take the call: it can be copied, and works when nobody listens to the event
  const caller = phone
    ? make('a', { ...attributes, href: `tel:${phone}` }, icon('call'))
    : make('button', { ...attributes, type: 'button' }, icon('call'))
  return make('div', { class: 'head' },
    make('div', { class: 'who' }, make('h2', { class: 'title' }, title), make('p', { class: 'sub' }, words.assistant)),
    call ? caller : null,
    make('button', { type: 'button', class: 'icon', 'aria-label': words.close, onclick: close }, icon('close')),
  ) // prettier-ignore
}

/** @param {import('./types.js').Config} config @param {import('./words.js').Words} words */
function legal(config, words) {
  if (!config.privacy_url) return null
  return make('p', { class: 'legal' }, make('a', { href: config.privacy_url, target: '_blank', rel: 'noopener' }, words.privacy))
}

// Where the visitor writes: text, a photo, a voice note.

import { icon, make } from './elements.js'
import { LONGEST_S, Recorder, canRecord } from './recorder.js'

export class Composer {
  /**
   * @param {object} tools
   * @param {import('./words.js').Words} tools.words
   * @param {import('./types.js').Config} tools.config
   * @param {(text: string) => void} tools.send
   * @param {(blob: Blob, name: string, kind: 'image' | 'voice') => void} tools.sendFile
   * @param {(text: string) => void} tools.written
   * @param {(text: string) => void} tools.complain
   */
  constructor(tools) {
    this.tools = tools
    const { words, config } = tools
    this.input = make('textarea', {
      class: 'input', rows: 1, 'aria-label': words.message, placeholder: words.message, enterkeyhint: 'send',
      autocomplete: 'off', oninput: () => this.changed(), onkeydown: (/** @type {KeyboardEvent} */ e) => this.key(e),
      onpaste: (/** @type {ClipboardEvent} */ e) => this.paste(e),
    }) // prettier-ignore
    this.picker = make('input', { type: 'file', accept: 'image/jpeg,image/png,image/webp', hidden: true, tabindex: -1, onchange: () => this.picked() })
    this.attach = config.photos ? this.button('attach', words.attach, () => this.picker.click()) : null
    this.mic = config.voice && canRecord() ? this.button('mic', words.record, () => void this.record()) : null
    this.sendButton = make('button', { type: 'submit', class: 'icon send', 'aria-label': words.send }, icon('send'))
    this.clock = make('span', { role: 'timer' }, '0:00')
    this.cancel = this.button('close', words.cancel, () => void this.finish(false))
    this.recording = make('div', { class: 'rec', hidden: true }, make('span', { class: 'dot' }), make('span', {}, words.recording), this.clock, this.cancel)
    this.element = make('form', { class: 'form', onsubmit: (/** @type {Event} */ e) => this.submit(e) }, this.attach, this.picker, this.recording, this.input, this.mic, this.sendButton)
    /** @type {Recorder | null} */
    this.recorder = null
  }

  /** @param {'attach' | 'mic' | 'close'} picture @param {string} name @param {() => void} act */
  button(picture, name, act) {
    return make('button', { type: 'button', class: 'icon', 'aria-label': name, onclick: act }, icon(picture))
  }

  get text() {
    return this.input.value
  }

  /** @param {string} text */
  set text(text) {
    this.input.value = text
    this.fit()
  }

  /** @param {boolean} phone a telephone number is asked for: the right keyboard, and what the browser remembers */
  expectPhone(phone) {
    const { words } = this.tools
    this.input.inputMode = phone ? 'tel' : 'text'
    this.input.setAttribute('autocomplete', phone ? 'tel' : 'off')
    this.input.placeholder = phone ? words.phone : words.message
  }

  changed() {
    this.fit()
    this.tools.written(this.text)
  }

  fit() {
    this.input.style.height = 'auto'
    this.input.style.height = `${Math.min(132, this.input.scrollHeight + 2)}px`
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing && event.keyCode !== 229) this.submit(event)
  }

  /** @param {Event} event */
  submit(event) {
    event.preventDefault()
    if (this.recorder) {
      void this.finish(true)
      return
    }
    const text = this.text.trim()
    const most = this.tools.config.most_text
    if (!text) return
    if (text.length > most) {
      this.tools.complain(this.tools.words.tooLong.replace('{n}', String(most)))
      return
    }
    this.text = ''
    this.tools.written('')
    this.tools.send(text)
    this.input.focus()
  }

  /** @param {ClipboardEvent} event */
  paste(event) {
    const file = [...(event.clipboardData?.files || [])].find(one => one.type.startsWith('image/'))
    if (!file || !this.attach) return
    event.preventDefault()
    this.file(file)
  }

  picked() {
    const file = this.picker.files?.[0]
    this.picker.value = ''
    if (file) this.file(file)
  }

  /** @param {File} file */
  file(file) {
    const { words, config } = this.tools
    if (!/^image\/(jpeg|png|webp)$/.test(file.type)) this.tools.complain(words.badFile)
    else if (file.size > config.most_file_bytes) this.tools.complain(words.tooLarge.replace('{n}', String(config.most_file_bytes >> 20)))
    else this.tools.sendFile(file, file.name, 'image')
  }

  async record() {
    const recorder = new Recorder(seconds => {
      this.clock.textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
      if (seconds >= LONGEST_S) void this.finish(true)
    })
    try {
      await recorder.start()
    } catch {
      this.tools.complain(this.tools.words.noMicrophone)
      return
    }
    this.recorder = recorder
    this.show(true)
    this.sendButton.focus()
  }

  /** @param {boolean} send */
  async finish(send) {
    const recorder = this.recorder
    if (!recorder) return
    this.recorder = null
    const blob = await recorder.stop()
    this.show(false)
    this.input.focus()
    if (send && blob) this.tools.sendFile(blob, '', 'voice')
  }

  /** @param {boolean} recording */
  show(recording) {
    const { words } = this.tools
    this.clock.textContent = '0:00'
    this.recording.hidden = !recording
    this.input.hidden = recording
    for (const button of [this.attach, this.mic]) if (button) button.hidden = recording
    this.sendButton.setAttribute('aria-label', recording ? words.stop : words.send)
  }
}

// The live connection: a WebSocket that says hello with the session's key, hears messages and typing, and comes back
// by itself. Where WebSockets do not pass (old proxies) the history is asked for every few seconds instead.

import { pause } from './backoff.js'

/** The server speaks at least every 20 s; two silences and the line is dead. */
const SILENCE_MS = 45_000
const OPENING_MS = 10_000
const ASK_MS = 5_000
/** So many openings that failed in a row mean that sockets do not pass here. */
const HOPELESS = 3

export class Live {
  /**
   * @param {object} hooks
   * @param {() => string} hooks.url
   * @param {() => { token: string, after: number }} hooks.hello
   * @param {(frame: any) => void} hooks.heard
   * @param {(up: boolean) => void} hooks.state
   * @param {() => Promise<void>} hooks.ask reads the history in the place of a socket
   */
  constructor(hooks) {
    this.hooks = hooks
    this.failures = 0
    this.unopened = 0
    this.wanted = false
    this.up = false
    /** @type {WebSocket | null} */
    this.socket = null
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.watch = undefined
    window.addEventListener('online', () => this.again())
    window.addEventListener('offline', () => this.lost(this.socket))
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && !this.up) this.again()
    })
  }

  start() {
    if (this.wanted) return
    this.wanted = true
    this.open()
  }

  stop() {
    this.wanted = false
    clearTimeout(this.timer)
    this.drop(this.socket)
    this.tell(false)
  }

  /** A new try at once, with a fresh count. */
  again() {
    if (!this.wanted || this.up) return
    this.failures = 0
    clearTimeout(this.timer)
    this.drop(this.socket)
    this.open()
  }

  /** Another session: the connection is made anew. */
  restart() {
    this.stop()
    this.start()
  }

  /** @param {object} frame @returns {boolean} whether it left */
  say(frame) {
    if (!this.up || this.socket?.readyState !== WebSocket.OPEN) return false
    this.socket.send(JSON.stringify(frame))
    return true
  }

  open() {
    if (this.unopened >= HOPELESS) {
      void this.askInstead()
      return
    }
    let socket
    try {
      socket = new WebSocket(this.hooks.url())
    } catch {
      this.unopened = HOPELESS // forbidden by the page's policy
      void this.askInstead()
      return
    }
    this.socket = socket
    this.expect(socket, OPENING_MS)
    socket.onopen = () => {
      this.expect(socket, OPENING_MS)
      socket.send(JSON.stringify({ type: 'hello', ...this.hooks.hello() }))
    }
    socket.onmessage = event => {
      if (socket !== this.socket) return
      this.expect(socket, SILENCE_MS)
      let frame
      try {
        frame = JSON.parse(event.data)
      } catch {
        return
      }
      if (frame.type === 'ping') socket.send('{"type":"pong"}')
      if (frame.type === 'welcome') {
        this.failures = 0
        this.unopened = 0
        this.tell(true)
      }
      this.hooks.heard(frame)
    }
    socket.onclose = () => this.lost(socket)
    socket.onerror = () => this.lost(socket)
  }

  /** @param {WebSocket} socket @param {number} ms */
  expect(socket, ms) {
    clearTimeout(this.watch)
    this.watch = setTimeout(() => this.lost(socket), ms)
  }

  /** @param {WebSocket | null} socket */
  lost(socket) {
    if (!socket || socket !== this.socket) return
    if (!this.up && navigator.onLine) this.unopened++
    this.drop(socket)
    this.tell(false)
    if (this.wanted) this.timer = setTimeout(() => this.open(), pause(++this.failures))
  }

  /** @param {WebSocket | null} socket */
  drop(socket) {
    clearTimeout(this.watch)
    this.socket = null
    if (!socket) return
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null
    socket.close()
  }

  async askInstead() {
    try {
      await this.hooks.ask()
      this.failures = 0
      this.tell(true)
    } catch {
      this.failures++
      this.tell(false)
    }
    if (this.wanted) this.timer = setTimeout(() => this.open(), Math.max(ASK_MS, this.failures ? pause(this.failures) : 0))
  }

  /** @param {boolean} up */
  tell(up) {
    if (this.up === up) return
    this.up = up
    this.hooks.state(up)
  }
}

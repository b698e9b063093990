// Requests to the chat's server. Every request has a deadline; a refusal is an error with its status and code.

const DEADLINE_MS = 15_000
const UPLOAD_DEADLINE_MS = 90_000

export class Refused extends Error {
  /**
   * @param {number} status 0: the server did not answer
   * @param {string} code
   * @param {number} waitMs as the server asks (Retry-After)
   */
  constructor(status, code, waitMs = 0) {
    super(code)
    this.status = status
    this.code = code
    this.waitMs = waitMs
  }

  /** The same request may succeed later. */
  get passing() {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500
  }
}

export class Server {
  /**
   * @param {string} base
   * @param {string} site
   */
  constructor(base, site) {
    this.root = new URL(`${encodeURIComponent(site)}/`, base)
    this.token = ''
  }

  /** @returns {Promise<import('./types.js').Config>} */
  config() {
    return this.ask('GET', 'config')
  }

  /** @param {string} language @returns {Promise<{ token: string }>} */
  session(language) {
    return this.ask('POST', 'session', { language, page: location.origin + location.pathname })
  }

  /** @param {import('./types.js').Pending} item @returns {Promise<{ message: import('./types.js').Message }>} */
  send(item) {
    const { id, text, button, files } = item
    return this.ask('POST', 'messages', { id, text, button: button || '', files })
  }

  /** @param {Record<string, number>} range @returns {Promise<import('./types.js').Page>} */
  history(range) {
    const query = new URLSearchParams(Object.entries(range).map(([k, v]) => [k, String(v)]))
    return this.ask('GET', `messages?${query}`)
  }

  /** @param {number} seq */
  read(seq) {
    return this.ask('POST', 'read', { seq })
  }

  /** @param {string} proof a token that the salon's own server has signed */
  identity(proof) {
    return this.ask('POST', 'identity', { proof })
  }

  forget() {
    return this.ask('DELETE', 'session')
  }

  /** @param {Blob} blob @param {string} name @returns {Promise<import('./types.js').FileLink>} */
  upload(blob, name) {
    return this.ask('POST', `files?name=${encodeURIComponent(name)}`, blob, UPLOAD_DEADLINE_MS)
  }

  /** @param {import('./types.js').FileLink} file */
  fileUrl(file) {
    return new URL(file.url, this.root).href
  }

  get liveUrl() {
    const url = new URL('live', this.root)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    return url.href
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body] an object as JSON, a Blob as it is
   * @param {number} [deadline] milliseconds
   * @returns {Promise<any>}
   */
  async ask(method, path, body, deadline = DEADLINE_MS) {
    const abort = new AbortController()
    const timer = setTimeout(() => abort.abort(), deadline)
    /** @type {Record<string, string>} */
    const headers = {}
    if (this.token) headers.authorization = `Bearer ${this.token}`
    if (body !== undefined) headers['content-type'] = body instanceof Blob ? 'application/octet-stream' : 'application/json'
    try {
      const answer = await fetch(new URL(path, this.root), {
        method,
        headers,
        body: body === undefined ? null : body instanceof Blob ? body : JSON.stringify(body),
        credentials: 'omit',
        cache: 'no-store',
        referrerPolicy: 'strict-origin',
        signal: abort.signal,
      })
      const told = answer.status === 204 ? {} : await answer.json()
      if (!answer.ok) {
        throw new Refused(answer.status, told?.error?.code || 'error', Number(answer.headers.get('retry-after') || 0) * 1000)
      }
      return told
    } catch (error) {
      throw error instanceof Refused ? error : new Refused(0, 'offline')
    } finally {
      clearTimeout(timer)
    }
  }
}

// The one tag of the salon's page: <script src="https://HOST/chat/widget.js" data-site="…" async></script>
// A classic script, because only those know their own tag (document.currentScript) with its data and its nonce.
// It is versionless and tiny; everything else is loaded from an address that changes with the content.
(() => {
  const tag = document.currentScript
  if (!(tag instanceof HTMLScriptElement)) return
  const site = tag.dataset.site
  if (!site) {
    console.error('AI-Admin chat: the script tag needs data-site')
    return
  }
  const page = /** @type {any} */ (window)
  if (page.AiAdminChat) return // a second tag, or the same page drawn again

  /** Calls that came before the rest was loaded. @type {[string, unknown[]][]} */
  const early = []
  /** @type {Record<string, any>} */
  const api = { version: 1 }
  for (const name of ['open', 'close', 'toggle', 'setUser', 'reset', 'on', 'off', 'setTheme']) {
    api[name] = (/** @type {unknown[]} */ ...args) => {
      early.push([name, args])
    }
  }
  page.AiAdminChat = api

  const base = new URL('.', tag.src)
  const options = {
    site,
    base: base.href,
    nonce: tag.nonce || '',
    lang: tag.dataset.lang || '',
    theme: tag.dataset.theme || '',
    position: tag.dataset.position || '',
    call: tag.dataset.call || '',
    open: tag.dataset.open !== undefined,
  }
  const start = async () => {
    try {
      const { start: run } = await import(new URL('assets/ASSETS_VERSION/app.js', base).href)
      const ready = await run(options)
      if (!ready) return
      Object.assign(api, ready)
      for (const [name, args] of early) api[name](...args)
    } catch (error) {
      console.error('AI-Admin chat did not load', error)
    }
  }
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start, { once: true })
  else void start()
})()

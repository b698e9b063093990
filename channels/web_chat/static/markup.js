// Text of a message as parts: plain, *bold*, links. Pure; the view makes elements of them and never HTML of a string.

const PATTERN =
  /(https?:\/\/[^\s<>"«»]+)|(\+\d[\d\s()-]{8,17}\d)|([\w.+-]+@[\w-]+(?:\.[\w-]+)+)|(?<![\p{L}\p{N}*])\*([^\s*](?:[^*\n]*[^\s*])?)\*(?![\p{L}\p{N}*])/gu

/**
 * @param {string} text
 * @returns {import('./types.js').Span[]}
 */
export function spans(text) {
  /** @type {import('./types.js').Span[]} */
  const found = []
  let end = 0
  const plain = (/** @type {string} */ piece) => {
    if (piece) found.push({ kind: 'text', text: piece })
  }
  for (const match of text.matchAll(PATTERN)) {
    const start = match.index
    let [whole, url, phone, mail, bold] = match
    if (url) {
      whole = url = withoutTail(url)
      if (!isWeb(url)) continue
    }
    plain(text.slice(end, start))
    if (url) found.push({ kind: 'link', text: url, href: url })
    else if (phone) found.push({ kind: 'link', text: phone, href: `tel:${phone.replace(/[^\d+]/g, '')}` })
    else if (mail) found.push({ kind: 'link', text: mail, href: `mailto:${mail}` })
    else if (bold) found.push({ kind: 'bold', text: bold })
    end = start + whole.length
  }
  plain(text.slice(end))
  return found
}

/** A full stop or a bracket after an address belongs to the sentence. @param {string} url */
function withoutTail(url) {
  let cut = url.replace(/[.,;:!?'…]+$/u, '')
  while (cut.endsWith(')') && cut.split(')').length > cut.split('(').length) cut = cut.slice(0, -1)
  return cut
}

/** @param {string} url */
function isWeb(url) {
  try {
    return /^https?:$/.test(new URL(url).protocol)
  } catch {
    return false
  }
}

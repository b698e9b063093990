import assert from 'node:assert/strict'
import test from 'node:test'
import { LONGEST_MS, pause } from '../static/backoff.js'
import { readableOn } from '../static/style.js'
import { language, unreadWords, words } from '../static/words.js'

test('pauses grow to a bound and are spread', () => {
  assert.equal(pause(1, () => 0), 250)
  assert.ok(pause(3, () => 0) > pause(2, () => 0))
  for (let failures = 1; failures < 5000; failures += 7) {
    const [least, most] = [pause(failures, () => 0), pause(failures, () => 0.999)]
    assert.ok(least > 0 && most <= LONGEST_MS && most > least)
  }
})

test('the language: the tag, then the page, then the browser; Russian else', () => {
  assert.equal(language('', 'en-GB', 'ru'), 'en')
  assert.equal(language('ru', 'en', 'en'), 'ru')
  assert.equal(language('', '', 'kk-KZ'), 'ru')
  assert.equal(language('', '', 'fr'), 'en')
  assert.equal(language('', '', ''), 'ru')
})

test('both languages say everything', () => {
  const [ru, en] = [words('ru'), words('en')]
  assert.deepEqual(Object.keys(en).sort(), Object.keys(ru).sort())
  for (const [name, text] of Object.entries(en)) {
    assert.ok(text && ru[name])
    assert.doesNotMatch(text, /[а-яё]/i)
    assert.equal(text.includes('{n}'), ru[name].includes('{n}'))
  }
})

test('numbers agree with their words', () => {
  const said = [1, 2, 5, 11, 21, 22, 25].map(count => unreadWords('ru', count))
  assert.deepEqual(said, ['1 новое сообщение', '2 новых сообщения', '5 новых сообщений', '11 новых сообщений', '21 новое сообщение', '22 новых сообщения', '25 новых сообщений'])
  assert.deepEqual([1, 2].map(count => unreadWords('en', count)), ['1 new message', '2 new messages'])
})

test('text on any colour of the salon can be read: 4.5 to 1 (WCAG 2.2, 1.4.3)', () => {
  const light = color => {
    const [r, g, b] = [1, 3, 5].map(at => parseInt(color.slice(at, at + 2), 16) / 255).map(v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  for (let value = 0; value < 0xffffff; value += 4099) {
    const color = `#${value.toString(16).padStart(6, '0')}`
    const [bright, dark] = [light(color), light(readableOn(color))].sort((a, b) => b - a)
    assert.ok((bright + 0.05) / (dark + 0.05) >= 4.5, color)
  }
})

import assert from 'node:assert/strict'
import test from 'node:test'
import { spans } from '../static/markup.js'

const shown = text => spans(text).map(one => one.text).join('') // prettier-ignore
const links = text => spans(text).filter(one => one.kind === 'link').map(one => one.href) // prettier-ignore
const bold = text => spans(text).filter(one => one.kind === 'bold').map(one => one.text) // prettier-ignore

test('links end where the sentence goes on', () => {
  assert.deepEqual(links('Адрес: https://ya.ru/maps?x=1. Ждём!'), ['https://ya.ru/maps?x=1'])
  assert.deepEqual(links('(см. https://a.ru/b_(c)), да'), ['https://a.ru/b_(c)'])
  assert.deepEqual(links('«https://a.ru»'), ['https://a.ru'])
})

test('telephones and addresses can be pressed', () => {
  assert.deepEqual(links('+7 (495) 000-00-01, a.b@salon.ru'), ['tel:+74950000001', 'mailto:a.b@salon.ru'])
  assert.deepEqual(links('в 10:00-12:00, 1500 руб'), [])
})

test('nothing but http, tel and mailto becomes a link', () => {
  const nasty = 'javascript:alert(1) data:text/html,x https:// http://[::bad ftp://a.ru https://a.ru/"><script>'
  for (const href of links(nasty)) assert.match(href, /^(https?:\/\/|tel:\+|mailto:)/)
  assert.deepEqual(links(nasty), ['https://a.ru/'])
})

test('stars make words bold only around words', () => {
  assert.deepEqual(bold('на *маникюр* к *Анне*'), ['маникюр', 'Анне'])
  assert.deepEqual(bold('2*3*4, * раз *, **, *a\nb*'), [])
})

test('every letter is shown, whatever the text (2000 random ones)', () => {
  const alphabet = ['*', ' ', '\n', 'я', 'a', '.', ')', '(', 'https://a.ru/', '+7 916 123-45-67', '😀', '"', '<', '@', 'b.ru', '-']
  let seed = 7
  const next = most => (seed = (seed * 1103515245 + 12345) % 2147483648) % most
  for (let round = 0; round < 2000; round++) {
    const text = Array.from({ length: next(12) }, () => alphabet[next(alphabet.length)]).join('')
    // a star that made something bold is the only thing that is not shown
    assert.equal(shown(text).replaceAll('*', ''), text.replaceAll('*', ''))
  }
})

test('a hostile text takes no time', () => {
  const began = performance.now()
  spans('https://' + '('.repeat(4000) + ')'.repeat(4000))
  spans('*a'.repeat(2000))
  spans('+1' + ' '.repeat(4000))
  spans('a.'.repeat(2000) + '@')
  assert.ok(performance.now() - began < 2000)
})

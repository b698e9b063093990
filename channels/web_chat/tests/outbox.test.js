import assert from 'node:assert/strict'
import test from 'node:test'
import { Outbox } from '../static/outbox.js'
import { Refused } from '../static/server.js'
import { Keeper } from '../static/storage.js'

/** As a browser's, with a limit. */
class FakeStorage {
  constructor(most = Infinity) {
    Object.defineProperty(this, 'most', { value: most })
  }
  getItem(key) {
    return Object.hasOwn(this, key) ? this[key] : null
  }
  setItem(key, value) {
    if (value.length > this.most) throw new Error('QuotaExceededError')
    this[key] = String(value)
  }
  removeItem(key) {
    delete this[key]
  }
}

function outboxOn(storage, send) {
  const confirmed = []
  const refused = []
  const outbox = new Outbox(new Keeper('site', storage, null), {
    send,
    confirmed: message => confirmed.push(message),
    changed: () => undefined,
    refused: error => refused.push(error.code),
  })
  return { outbox, confirmed, refused }
}

const settled = () => new Promise(resolve => setImmediate(resolve))

test('messages go in order, each until it is confirmed, with one id', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const tries = []
  let failures = 3
  const { outbox, confirmed } = outboxOn(new FakeStorage(), async item => {
    tries.push(item.id)
    if (failures-- > 0) throw new Refused(failures % 2 ? 503 : 0, 'away')
    return { client_id: item.id, text: item.text }
  })
  outbox.add({ text: 'раз', files: [] })
  outbox.add({ text: 'два', files: [] })
  for (let i = 0; i < 10; i++) {
    await settled()
    t.mock.timers.tick(60_000)
  }
  await settled()
  assert.deepEqual(confirmed.map(m => m.text), ['раз', 'два'])
  assert.equal(new Set(tries.slice(0, 4)).size, 1, 'the repeats carry the same id')
  assert.equal(tries.length, 5)
  assert.deepEqual(outbox.items, [])
})

test('a refusal for good does not hold up the next', async () => {
  const { outbox, confirmed, refused } = outboxOn(new FakeStorage(), async item => {
    if (item.text === 'плохо') throw new Refused(422, 'invalid_input')
    return { text: item.text }
  })
  outbox.add({ text: 'плохо', files: [] })
  outbox.add({ text: 'хорошо', files: [] })
  await settled()
  await settled()
  assert.deepEqual(confirmed, [{ text: 'хорошо' }])
  assert.deepEqual(refused, ['invalid_input'])
  assert.deepEqual(outbox.items.map(item => item.state), ['failed'])
})

test('the pause that the server asks for is kept', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let tries = 0
  const { outbox } = outboxOn(new FakeStorage(), async () => {
    if (++tries === 1) throw new Refused(429, 'rate_limited', 7000)
    return {}
  })
  outbox.add({ text: 'а', files: [] })
  await settled()
  t.mock.timers.tick(6900)
  await settled()
  assert.equal(tries, 1)
  t.mock.timers.tick(200)
  await settled()
  assert.equal(tries, 2)
})

test('tabs do not write over each other', async () => {
  const storage = new FakeStorage()
  const never = () => new Promise(() => undefined)
  const first = outboxOn(storage, never).outbox
  const second = outboxOn(storage, never).outbox
  first.add({ text: 'из первой', files: [] })
  second.add({ text: 'из второй', files: [] })
  second.keeper.draft = 'черновик'
  const third = outboxOn(storage, never).outbox
  assert.deepEqual(third.items.map(item => item.text).sort(), ['из второй', 'из первой'])
  first.remove(first.items[0].id)
  third.keeper.refresh()
  assert.deepEqual(third.items.map(item => item.text), ['из второй'])
})

test('without storage, or with a full one, the tab remembers', () => {
  for (const storage of [null, new FakeStorage(5)]) {
    const keeper = new Keeper('site', storage, null)
    keeper.put({ id: 'a', text: 'длинное сообщение', files: [], at: '1', state: 'waiting' })
    keeper.keepToken('token that is long')
    keeper.refresh()
    assert.deepEqual(keeper.outbox.map(item => item.id), ['a'])
  }
})

test('files stay in their tab and out of the storage', () => {
  const storage = new FakeStorage()
  const keeper = new Keeper('site', storage, null)
  keeper.put({ id: 'a', text: '', files: [], at: '1', state: 'waiting', blob: new Blob(['x']) })
  assert.deepEqual(Object.keys(storage), [])
  keeper.refresh()
  assert.equal(keeper.outbox.length, 1)
  assert.equal(new Keeper('site', storage, null).outbox.length, 0)
})

test('rubbish in the storage is no message', () => {
  const storage = new FakeStorage()
  for (const [name, value] of Object.entries({ x: '{', y: 'null', z: '{"id":1}', w: '[]' })) storage.setItem(`ai-admin-chat:site:out:${name}`, value)
  assert.deepEqual(new Keeper('site', storage, null).outbox, [])
})

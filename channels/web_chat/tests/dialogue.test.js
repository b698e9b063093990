import assert from 'node:assert/strict'
import test from 'node:test'
import { Dialogue } from '../static/dialogue.js'

const said = (seq, author = 'agent', more = {}) => ({ seq, id: `id${seq}`, author, text: `t${seq}`, at: '2026-12-01T10:00:00Z', ...more })
const page = (messages, more = {}) => ({ messages, last_seq: messages.at(-1)?.seq ?? 0, read_seq: 0, earlier: false, ...more })
const pending = (id, more = {}) => ({ id, text: id, files: [], at: '2026-12-01T10:00:00Z', state: 'waiting', ...more })

test('messages in any order, twice: one order, each once', () => {
  const dialogue = new Dialogue()
  assert.equal(dialogue.take([said(3)]).gap, true)
  assert.equal(dialogue.lastSeq, 0)
  assert.deepEqual(dialogue.take([said(2), said(1), said(3)]).fresh.map(m => m.seq), [1, 2])
  assert.equal(dialogue.lastSeq, 3)
  assert.deepEqual(dialogue.take([said(1), said(2), said(3)]), { fresh: [], gap: false })
  assert.deepEqual(dialogue.ordered.map(m => m.seq), [1, 2, 3])
})

test('any shuffling of a thousand messages ends in the same talk', () => {
  let seed = 11
  const next = most => (seed = (seed * 1103515245 + 12345) % 2147483648) % most
  for (let round = 0; round < 20; round++) {
    const all = Array.from({ length: 50 }, (_, i) => said(i + 1))
    const stream = [...all, ...all].sort(() => next(3) - 1)
    const dialogue = new Dialogue()
    const fresh = []
    while (stream.length) fresh.push(...dialogue.take(stream.splice(0, 1 + next(5))).fresh)
    assert.equal(dialogue.lastSeq, 50)
    assert.equal(fresh.length, 50)
    assert.deepEqual(dialogue.ordered.map(m => m.seq), all.map(m => m.seq))
  }
})

test('a newest page does not begin at one, and what comes next is no gap', () => {
  const dialogue = new Dialogue()
  assert.equal(dialogue.begin(page([said(41), said(42)], { earlier: true, read_seq: 41 })).gap, false)
  assert.equal(dialogue.take([said(43)]).gap, false)
  assert.equal(dialogue.take([said(45)]).gap, true)
  assert.equal(dialogue.lastSeq, 43)
  dialogue.prepend(page([said(39), said(40)]))
  assert.equal(dialogue.firstSeq, 39)
  assert.equal(dialogue.earlier, false)
})

test('unread are the other side\'s after the mark', () => {
  const dialogue = new Dialogue()
  dialogue.take([said(1, 'visitor'), said(2), said(3, 'human'), said(4, 'visitor')])
  assert.equal(dialogue.unread, 2)
  dialogue.readSeq = 2
  assert.equal(dialogue.unread, 1)
})

test('a confirmed message is shown once even while it waits in the outbox', () => {
  const dialogue = new Dialogue()
  const outbox = [pending('a'), pending('b')]
  assert.deepEqual(dialogue.lines(outbox).map(l => [l.key, l.pending]), [['a', 'waiting'], ['b', 'waiting']])
  dialogue.take([said(1, 'visitor', { client_id: 'a' })])
  assert.deepEqual(dialogue.lines(outbox).map(l => [l.key, l.pending]), [['a', ''], ['b', 'waiting']])
})

test('choices belong to the newest message while it is the other side\'s', () => {
  const dialogue = new Dialogue()
  assert.equal(dialogue.question, null)
  dialogue.take([said(1), said(2)])
  assert.equal(dialogue.question?.seq, 2)
  dialogue.take([said(3, 'visitor')])
  assert.equal(dialogue.question, null)
})

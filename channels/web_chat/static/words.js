// Every word that the widget says itself, in Russian and English.

const RU = {
  chat: 'Чат', chatWith: 'Чат: ', open: 'Открыть чат', close: 'Закрыть чат', call: 'Позвонить нам',
  assistant: 'Отвечает автоматический помощник', log: 'Сообщения', you: 'Вы', agent: 'Помощник',
  human: 'Администратор', system: 'Сообщение салона', typing: 'Помощник печатает…', message: 'Ваше сообщение',
  phone: 'Ваш телефон', send: 'Отправить', attach: 'Приложить фото', record: 'Записать голосовое сообщение',
  stop: 'Отправить запись', cancel: 'Отменить запись', recording: 'Идёт запись', photo: 'Фото', voice: 'Голосовое сообщение',
  file: 'Файл', waiting: 'отправляется', failed: 'не отправлено', retry: 'Повторить', remove: 'Убрать',
  offline: 'Нет связи. Сообщение уйдёт, когда она вернётся.', back: 'Связь восстановлена.',
  earlier: 'Показать более ранние', choices: 'Варианты ответа', today: 'Сегодня', yesterday: 'Вчера', privacy: 'Персональные данные',
  tooLong: 'Слишком длинное сообщение: до {n} знаков.', tooLarge: 'Файл больше {n} МБ.', badFile: 'Такой файл не принимается: приложите фото JPEG, PNG или WebP.',
  noMicrophone: 'Нет доступа к микрофону.', slow: 'Слишком много сообщений. Отправим через несколько секунд.', newMessages: 'К новым сообщениям',
} // prettier-ignore

/** @type {typeof RU} */
const EN = {
  chat: 'Chat', chatWith: 'Chat: ', open: 'Open chat', close: 'Close chat', call: 'Call us',
  assistant: 'You are talking to an automated assistant', log: 'Messages', you: 'You', agent: 'Assistant',
  human: 'Administrator', system: 'Message from the salon', typing: 'The assistant is typing…', message: 'Your message',
  phone: 'Your phone number', send: 'Send', attach: 'Attach a photo', record: 'Record a voice message',
  stop: 'Send the recording', cancel: 'Cancel the recording', recording: 'Recording', photo: 'Photo', voice: 'Voice message',
  file: 'File', waiting: 'sending', failed: 'not sent', retry: 'Try again', remove: 'Remove',
  offline: 'No connection. Your message will be sent when it is back.', back: 'The connection is back.',
  earlier: 'Show earlier messages', choices: 'Suggested answers', today: 'Today', yesterday: 'Yesterday', privacy: 'Privacy',
  tooLong: 'The message is too long: {n} characters at most.', tooLarge: 'The file is larger than {n} MB.', badFile: 'This file is not accepted: attach a photo as JPEG, PNG or WebP.',
  noMicrophone: 'No access to the microphone.', slow: 'Too many messages. We will send it in a few seconds.', newMessages: 'To the new messages',
} // prettier-ignore

/** @typedef {typeof RU} Words */
/** @typedef {'ru' | 'en'} Language */

/**
 * The tag's word, then the page's language, then the browser's. Everything but English is answered in Russian.
 * @param {string[]} wishes
 * @returns {Language}
 */
export function language(...wishes) {
  for (const wish of wishes) {
    const code = wish.toLowerCase().slice(0, 2)
    if (code === 'ru' || code === 'en') return code
    if (code) return ['be', 'uk', 'kk', 'ky', 'uz', 'tg', 'hy', 'az'].includes(code) ? 'ru' : 'en'
  }
  return 'ru'
}

/** @param {Language} lang @returns {Words} */
export function words(lang) {
  return lang === 'en' ? EN : RU
}

/** @param {Language} lang @param {number} count */
export function unreadWords(lang, count) {
  const form = new Intl.PluralRules(lang).select(count)
  if (lang === 'en') return `${count} new ${form === 'one' ? 'message' : 'messages'}`
  if (form === 'one') return `${count} новое сообщение`
  return `${count} ${form === 'few' ? 'новых сообщения' : 'новых сообщений'}`
}

/** What travels between the modules and the server. */

export interface Options {
  site: string
  base: string
  nonce: string
  lang: string
  theme: string
  position: string
  call: string
  open: boolean
}

/** `GET config`: how the salon wants its chat; nothing of it is secret. */
export interface Config {
  title: string
  greeting: { ru: string; en: string }
  choices: { ru: string[]; en: string[] }
  color: string
  position: string
  phone: string
  call: boolean
  privacy_url: string
  photos: boolean
  voice: boolean
  most_file_bytes: number
  most_text: number
}

export interface FileLink {
  id: string
  kind: 'image' | 'voice' | 'file'
  type: string
  url: string
  name: string
}

export interface Choice {
  text: string
  payload: string
}

export type Author = 'visitor' | 'agent' | 'human' | 'system'

export interface Message {
  seq: number
  id: string
  author: Author
  text: string
  at: string
  client_id?: string
  choices?: Choice[]
  ask?: string
  files?: FileLink[]
}

/** A message of the visitor that the server has not confirmed. */
export interface Pending {
  id: string
  text: string
  button?: string
  files: string[]
  at: string
  state: 'waiting' | 'failed'
  /** Only in the memory of this tab: a file is not put into the browser's storage. */
  blob?: Blob
  name?: string
  kind?: 'image' | 'voice'
  /** The browser did not take it: only this tab has it. */
  unstored?: boolean
}

export interface Page {
  messages: Message[]
  last_seq: number
  read_seq: number
  earlier: boolean
}

export interface Line {
  key: string
  author: Author
  text: string
  at: string
  files: FileLink[]
  pending: '' | 'waiting' | 'failed'
  /** What kind of file goes with it while it is on its way. */
  local?: string | undefined
  /** Not said at any moment: the salon's standing greeting. */
  timeless?: boolean
}

export type Span =
  | { kind: 'text'; text: string }
  | { kind: 'bold'; text: string }
  | { kind: 'link'; text: string; href: string }

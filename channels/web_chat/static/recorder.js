// A voice note from the microphone, in what the browser can record: Opus in WebM or Ogg, AAC in MP4 (Safari).

const TYPES = ['audio/webm;codecs=opus', 'audio/ogg;codecs=opus', 'audio/mp4']
export const LONGEST_S = 120

export function canRecord() {
  return typeof MediaRecorder !== 'undefined' && Boolean(navigator.mediaDevices?.getUserMedia)
}

export class Recorder {
  /** @param {(seconds: number) => void} tick each second; at LONGEST_S the caller should stop */
  constructor(tick) {
    this.tick = tick
    /** @type {Blob[]} */
    this.pieces = []
    /** @type {MediaRecorder | null} */
    this.recorder = null
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.timer = undefined
  }

  /** Raises when the person or the page's policy forbids the microphone. */
  async start() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } })
    const type = TYPES.find(one => MediaRecorder.isTypeSupported(one))
    const recorder = new MediaRecorder(stream, { ...(type ? { mimeType: type } : {}), audioBitsPerSecond: 32_000 })
    recorder.ondataavailable = event => this.pieces.push(event.data)
    recorder.start(1000)
    this.recorder = recorder
    let seconds = 0
    this.timer = setInterval(() => this.tick(++seconds), 1000)
  }

  /** @returns {Promise<Blob | null>} null: nothing was recorded */
  async stop() {
    clearInterval(this.timer)
    const recorder = this.recorder
    this.recorder = null
    if (!recorder) return null
    if (recorder.state !== 'inactive') {
      await new Promise(resolve => {
        recorder.onstop = resolve
        recorder.stop()
      })
    }
    for (const track of recorder.stream.getTracks()) track.stop()
    const blob = new Blob(this.pieces, { type: recorder.mimeType })
    return blob.size ? blob : null
  }
}

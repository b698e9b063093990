// When to try again. Pure: the dice are handed in.

export const FIRST_MS = 500
export const LONGEST_MS = 30_000

/**
 * Full jitter above a half: clients of a restarted server do not come back in one wave.
 * @param {number} failures in a row, from 1
 * @param {() => number} random in [0, 1)
 * @returns {number} milliseconds
 */
export function pause(failures, random = Math.random) {
  const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(failures - 1, 16))
  return ceiling / 2 + (random() * ceiling) / 2
}

/** What a terminal obeys, hides, or turns text round with: control and format characters, lone surrogates, unassigned, and line separators. */
const unprintable = /[\p{C}\p{Zl}\p{Zp}]+/gu
/** More marks on one letter than any language has climb over other lines; and what turns a sign into a picture twice as wide. */
const tooManyMarks = /(\p{M}{2})\p{M}+|\uFE0F/gu
const ascii = /^[ -~]*$/
const mark = /^\p{M}$/u
const wide = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303F\uFF01-\uFF60\uFFE0-\uFFE6]$/u

/**
 * A text of somebody else as a terminal may have it: one line without a character that the terminal would obey.
 * @param most UTF-16 units of it that are looked at
 */
export function plain (text: string, most = 255): string {
  const start = text.length > most ? `${text.slice(0, most)}…` : text
  return ascii.test(start) ? start : start.replace(unprintable, '\uFFFD').replace(tooManyMarks, '$1')
}

/** JSON without a character that a terminal would obey; as JSON it means the same. */
export function plainJson (value: unknown): string {
  const json = JSON.stringify(value)
  return ascii.test(json) ? json : json.replace(unprintable, characters => Array.from({ length: characters.length }, (_, i) => `\\u${characters.charCodeAt(i).toString(16).padStart(4, '0')}`).join(''))
}

/** How many columns of a terminal a plain text takes. */
export function widthOf (text: string): number {
  if (ascii.test(text)) return text.length
  let width = 0
  for (const character of text) width += widthOfCharacter(character)
  return width
}

/** A plain text in exactly that many columns: cut, or filled up with spaces, at its end or before it. */
export function fit (text: string, columns: number, side: 'left' | 'right' = 'left'): string {
  const cut = cutTo(text, columns)
  const space = ' '.repeat(Math.max(0, columns - widthOf(cut)))
  return side === 'left' ? cut + space : space + cut
}

/** A plain text in that many columns at the most. */
export function cutTo (text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let cut = ''
  let width = 0
  for (const character of text) {
    width += widthOfCharacter(character)
    if (width >= columns) break
    cut += character
  }
  return columns > 0 ? `${cut}…` : ''
}

function widthOfCharacter (character: string): number {
  if (mark.test(character)) return 0
  return wide.test(character) ? 2 : 1
}

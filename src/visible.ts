// Law: pure. Nothing from the wire reaches a terminal or a log unescaped (it could move the cursor, recolour, or reorder
// what is read): control, format (among them the bidi controls), separator and unassigned characters become \u{..}.

const hidden = /[\p{C}\p{Zl}\p{Zp}]/gu

/** One line that is safe to print. Characters that hide or act become escapes; at most `most` characters, then `...`. */
export const visible = (text: string, most = 2000): string => {
  const cut = text.length > most ? `${text.slice(0, most)}...` : text
  return cut.replace(hidden, character => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`)
}

// Law: pure. What is typed, cut for datagrams.

/** A line in pieces of at most so many bytes, no character cut in two. */
export const pieces = (line: string, most: number): string[] => {
  const found: string[] = []
  let piece = ''
  let length = 0
  for (const character of line) {
    const bytes = Buffer.byteLength(character)
    if (length + bytes > most) {
      found.push(piece)
      piece = ''
      length = 0
    }
    piece += character
    length += bytes
  }
  return [...found, piece]
}

/** Between two lines of a pipe: nothing on the way holds back a fast sender of UDP. */
export const pacingMs = 1

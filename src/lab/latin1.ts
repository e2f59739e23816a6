// Law: pure. Text whose characters are bytes: what the older C++ programs print and send.

export const latin1 = (bytes: Uint8Array): string => {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

export const latin1Bytes = (text: string): Uint8Array => Uint8Array.from(text, character => character.charCodeAt(0))

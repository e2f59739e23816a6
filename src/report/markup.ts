// Law: pure. Text that is safe within HTML, SVG and the values of their attributes.

const names: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

export const escaped = (text: string): string => text.replace(/[&<>"']/g, sign => names[sign] ?? sign)

/** JSON that may stand in a script element: it neither ends it nor begins a comment. */
export const scriptJson = (value: unknown): string => JSON.stringify(value).replaceAll('<', String.raw`\u003c`)

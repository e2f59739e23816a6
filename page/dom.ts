// Elements by name, and made in one line.

export const find = <T extends Element = HTMLElement>(selector: string, root: ParentNode = document): T => {
  const found = root.querySelector<T>(selector)
  if (!found) throw new Error(`the page has no ${selector}`)
  return found
}

/** The one element that the HTML is. */
export const made = (html: string): HTMLElement => {
  const template = document.createElement('template')
  template.innerHTML = html
  return template.content.firstElementChild as HTMLElement
}

/** Arrow keys go from one packet to the next. */
export const walkable = (root: HTMLElement): void =>
  root.addEventListener('keydown', event => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    const rungs = [...root.querySelectorAll<SVGElement>('.rung:not(.wait)')]
    const at = rungs.indexOf(document.activeElement as SVGElement)
    if (step === undefined || at < 0) return
    event.preventDefault()
    rungs[at + step]?.focus()
  })

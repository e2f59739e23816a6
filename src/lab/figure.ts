// Law: types only. A figure: what others have published, or a formula says, beside what is measured here.

export type FigureCell = string | number | undefined

export type Figure = {
  readonly name: string
  /** One sentence: what it shows. */
  readonly about: string
  /** Where theirs is from. */
  readonly source: string
  readonly head: readonly string[]
  readonly rows: readonly (readonly FigureCell[])[]
  /** In words, the rows where ours is not as theirs; none for what can't be measured here. */
  readonly broken: readonly string[]
}

export type FigureOptions = { readonly trials: number; readonly seed: number }

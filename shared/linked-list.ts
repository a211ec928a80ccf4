// Values in the order in which they were added, each of which can be taken out at once.

/** A value's place in its list: to be kept by who may take it out. */
export interface Link<T> {
  readonly value: T
}

interface Node<T> extends Link<T> {
  before: Node<T> | undefined
  after: Node<T> | undefined
}

/**
 * Adding, taking out and looking at the first are constant in time. A `Set` or `Map` is not: what is deleted at the
 * front leaves a hole that each later look at the front walks over.
 */
export class LinkedList<T> {
  #first: Node<T> | undefined
  #last: Node<T> | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  get first(): T | undefined {
    return this.#first?.value
  }

  /** At the end. */
  add(value: T): Link<T> {
    const node: Node<T> = { value, before: undefined, after: undefined }
    this.#append(node)
    return node
  }

  /** @param link of this list, and still in it. */
  remove(link: Link<T>): void {
    this.#takeOut(link as Node<T>)
  }

  /** @param link of this list, and still in it. */
  moveToEnd(link: Link<T>): void {
    if (link === this.#last) return
    this.#takeOut(link as Node<T>)
    this.#append(link as Node<T>)
  }

  *[Symbol.iterator](): Generator<T, void> {
    for (let node = this.#first; node !== undefined; node = node.after) yield node.value
  }

  #append(node: Node<T>): void {
    node.before = this.#last
    node.after = undefined
    if (this.#last === undefined) this.#first = node
    else this.#last.after = node
    this.#last = node
    this.#size++
  }

  #takeOut(node: Node<T>): void {
    if (node.before === undefined) this.#first = node.after
    else node.before.after = node.after
    if (node.after === undefined) this.#last = node.before
    else node.after.before = node.before
    this.#size--
  }
}

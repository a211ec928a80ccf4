// Puts a function in the place of another, and leaves alone what is not as expected.

export type Callable = (this: unknown, ...args: unknown[]) => unknown

/** @param owner has the function, or inherits it. */
export function replace(owner: object, name: string, make: (original: Callable) => Callable): void {
  const own = Object.getOwnPropertyDescriptor(owner, name)
  const original: unknown = own === undefined ? Reflect.get(owner, name) : own.value
  if (typeof original !== 'function' || own?.configurable === false) return
  const replacement = make(original as Callable)
  // With its name, its length, and what others have attached to it.
  Object.defineProperties(replacement, Object.getOwnPropertyDescriptors(original))
  const { enumerable = false, writable = true } = own ?? {}
  Object.defineProperty(owner, name, { value: replacement, configurable: true, enumerable, writable })
}

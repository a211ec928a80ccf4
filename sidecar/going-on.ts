// Goes on at once where there is nothing to wait for: nearly always, for what a call needs is kept.

/** Each promise that is waited for makes objects and a turn of its own. @throws what `next` throws. */
export function goOn<Value, Next>(
  value: Value | Promise<Value>,
  next: (value: Value) => Next,
): Next | Promise<Next> {
  return value instanceof Promise ? value.then(next) : next(value)
}

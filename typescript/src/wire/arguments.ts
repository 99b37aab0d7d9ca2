/**
 * Checks of the arguments that a program passes to the library.
 *
 * Each check throws TypeError (a wrong type) or RangeError (a value that cannot be) before the
 * caller changes anything.
 */

/** Whether this is a `Uint8Array`, of this realm or of another one. */
export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && tag(value) === "[object Uint8Array]";
}

/** Throw TypeError for what is no string; `what` names it. */
export function checkText(value: unknown, what: string): asserts value is string {
  if (typeof value !== "string") {
    throw new TypeError(`${what} is a string, not ${kind(value)}`);
  }
}

/** Throw TypeError for what is no string, and RangeError for one with half a surrogate pair, which
 * UTF-8 cannot hold. */
export function checkUnicode(value: unknown, what: string): asserts value is string {
  checkText(value, what);
  if (/\p{Surrogate}/u.test(value)) {
    throw new RangeError(`${what} holds half a surrogate pair, which UTF-8 cannot hold`);
  }
}

/** Throw TypeError for what is not bytes. */
export function checkBytes(value: unknown, what: string): asserts value is Uint8Array {
  if (!isBytes(value)) {
    throw new TypeError(`${what} is a Uint8Array, not ${kind(value)}`);
  }
}

/** Throw TypeError for what cannot be called; `what` names it. */
export function checkFunction(value: unknown, what: string): void {
  if (typeof value !== "function") {
    throw new TypeError(`${what} is a function, not ${kind(value)}`);
  }
}

/** Throw TypeError for what is no object with these methods; `what` names it. */
export function checkObject(value: unknown, what: string, ...methods: string[]): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new TypeError(`${what} is an object, not ${kind(value)}`);
  }
  for (const method of methods) {
    checkFunction((value as Record<string, unknown>)[method], `${method} of ${what}`);
  }
}

/** Throw TypeError for what is no number, and RangeError for what is below `least` or no whole number;
 * `what` names it. Infinity is a number only if `unbounded`. */
export function checkNumber(value: unknown, what: string, least = 0, unbounded = false): void {
  if (typeof value !== "number") {
    throw new TypeError(`${what} is a number, not ${kind(value)}`);
  }
  const fits = Number.isSafeInteger(value) || (unbounded && value === Number.POSITIVE_INFINITY);
  if (!fits || value < least) {
    throw new RangeError(`${what} is a whole number from ${least} on, not ${value}`);
  }
}

/** Throw TypeError for what is no number, and RangeError for one that is no time to wait. */
export function checkMilliseconds(value: unknown): void {
  if (typeof value !== "number") {
    throw new TypeError(`a timeout is a number of milliseconds, not ${kind(value)}`);
  }
  if (!(value >= 0)) {
    throw new RangeError(`a timeout is a number of milliseconds from 0 on, not ${value}`);
  }
}

/** Return what a value is, without calling any method of it. */
export function kind(value: unknown): string {
  return value === null ? "null" : typeof value;
}

function tag(value: unknown): string {
  return Object.prototype.toString.call(value);
}

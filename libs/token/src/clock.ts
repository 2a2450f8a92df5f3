/** Time as the core sees it. Passed in, so that tests own it and no wall clock can be trusted by mistake. */
export interface Clock {
  /** A monotonic instant in ms. Only differences between two instants of one process mean something. */
  now(): number;
  /** Runs `action` once, `delayMs` from now. The function returned takes it back. Must not keep the process alive. */
  schedule(delayMs: number, action: () => void): () => void;
}

/** Waits for `promise`, but no longer than `limitMs`: then throws what `tooLate` makes. */
export async function within<T>(clock: Clock, limitMs: number, promise: Promise<T>, tooLate: () => Error): Promise<T> {
  let cancel = (): void => {};
  const limit = new Promise<never>((_, reject) => {
    cancel = clock.schedule(limitMs, () => reject(tooLate()));
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    cancel();
  }
}

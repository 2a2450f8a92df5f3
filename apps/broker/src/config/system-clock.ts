import type { Clock } from '#token';

/** The time of this process: monotonic, untouched by whoever sets the clock on the wall. */
export const systemClock: Clock = {
  now: () => performance.now(),
  schedule(delayMs, action) {
    const timer = setTimeout(action, delayMs).unref();
    return () => clearTimeout(timer);
  },
};

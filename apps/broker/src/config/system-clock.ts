import type { Clock } from '#token';

/** The time of this process: monotonic, untouched by whoever sets the clock on the wall. */
export const systemClock: Clock = {
  now: () => performance.now(),
  schedule(delayMs, action) {
    // Node cuts fractions off, and would be early.
    const timer = setTimeout(action, Math.ceil(delayMs)).unref();
    return () => clearTimeout(timer);
  },
};

import type { Clock } from '#token';

/** More than a slow answer may explain, in ms. */
const STEP_MS = 2_000;

/**
 * Watches whether Redis' clock is set back, by this replica's own, which never is. What Redis tells of a token that was
 * stored before that is too good by the step.
 */
export class RedisClock {
  #offsetMs: number | undefined;
  #step = { backMs: 0, seenAtMs: -Infinity };

  constructor(private readonly clock: Clock) {}

  /** @param redisNowMs what Redis' clock showed between `askedAtMs` and now
   *  @returns whether it was set back since it was last seen */
  notice(redisNowMs: number, askedAtMs: number): boolean {
    const offsetMs = redisNowMs - askedAtMs;
    const backMs = (this.#offsetMs ?? offsetMs) - offsetMs;
    this.#offsetMs = offsetMs;
    if (backMs < STEP_MS) return false;
    const now = this.clock.now();
    // An earlier step still counts for tokens that are older than it.
    this.#step = { backMs: backMs + this.#step.backMs, seenAtMs: now };
    return true;
  }

  /** Life that a token has left, in ms, whatever Redis' clock makes of it: at worst too little.
   *  @param remainingMs, lifeMs as Redis tells them */
  leftOf(remainingMs: number, lifeMs: number): number {
    const { backMs, seenAtMs } = this.#step;
    const ageMs = lifeMs - remainingMs + backMs;
    // If it were older than the step, this would be its age, and so at least the time since then.
    const isYounger = ageMs < this.clock.now() - seenAtMs;
    return isYounger ? remainingMs : remainingMs - backMs;
  }
}

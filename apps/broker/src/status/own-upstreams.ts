import { Injectable } from '@nestjs/common';

import { type MinuteCounts, NO_COUNTS, sumOf, type UpstreamReach } from '#cluster';

import { systemClock } from '../config/system-clock.js';
import { type UpstreamCall, UpstreamCalls } from '../upstream/upstream-calls.js';

/** What says that MobilePay did not answer, or not so that it can be used. Every other refusal is an answer. */
const NO_ANSWER: ReadonlySet<UpstreamCall['result']> = new Set(['upstream_unavailable', 'upstream_invalid']);

interface Reach {
  answeredAtMs: number | undefined;
  failure: { readonly atMs: number; readonly code: string; readonly detail: string } | undefined;
  failuresInARow: number;
  failingSinceMs: number;
}

/** How this replica's own calls to MobilePay went. */
@Injectable()
export class OwnUpstreams {
  readonly #reaches = new Map<string, Reach>();
  #counts = NO_COUNTS;
  /** Hears when an environment begins to fail, and when it answers again. */
  onFlip: () => void = () => {};

  constructor(calls: UpstreamCalls) {
    calls.subscribe((call) => this.#note(call));
  }

  /** What came since this was last asked. */
  takeCounts(): MinuteCounts {
    const counts = this.#counts;
    this.#counts = NO_COUNTS;
    return counts;
  }

  get reaches(): UpstreamReach[] {
    const now = systemClock.now();
    return [...this.#reaches].map(([environment, reach]) => toldOf(environment, reach, now));
  }

  #note({ environment, result, detail = '', tookMs }: UpstreamCall): void {
    const took = Math.round(tookMs);
    const errors = result === 'ok' ? 0 : 1;
    this.#counts = sumOf(this.#counts, { served: 0, calls: 1, errors, latencySumMs: took, latencyMaxMs: took });
    if (environment === undefined) return;
    const now = systemClock.now();
    const reach = this.#reachOf(environment);
    const wasFailing = reach.failuresInARow > 0;
    if (NO_ANSWER.has(result)) {
      if (!wasFailing) reach.failingSinceMs = now;
      reach.failuresInARow += 1;
      reach.failure = { atMs: now, code: result, detail };
    } else {
      reach.failuresInARow = 0;
      reach.answeredAtMs = now;
    }
    if (wasFailing !== reach.failuresInARow > 0) this.onFlip();
  }

  #reachOf(environment: string): Reach {
    let reach = this.#reaches.get(environment);
    if (!reach) {
      reach = { answeredAtMs: undefined, failure: undefined, failuresInARow: 0, failingSinceMs: 0 };
      this.#reaches.set(environment, reach);
    }
    return reach;
  }
}

function toldOf(environment: string, reach: Reach, now: number): UpstreamReach {
  const { answeredAtMs, failure, failuresInARow, failingSinceMs } = reach;
  return {
    environment,
    ...(answeredAtMs !== undefined && { answeredAgoMs: now - answeredAtMs }),
    ...(failure && { failure: { agoMs: now - failure.atMs, code: failure.code, detail: failure.detail } }),
    failuresInARow,
    failingForMs: failuresInARow > 0 ? now - failingSinceMs : 0,
  };
}

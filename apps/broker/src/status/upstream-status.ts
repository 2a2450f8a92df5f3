import type { Sighting, UpstreamReach, UpstreamStatus } from '#cluster';
import type { UpstreamReport } from '#token';

/** A failure counts until the next answer, but no longer than this, in ms: then nobody has asked again. */
const FAILING_FOR_MS = 900_000;
const IDLE_AFTER_MS = 3_600_000;

/** An environment of MobilePay, as all replicas find it together. */
export interface UpstreamFacts {
  readonly status: UpstreamStatus;
  /** Of all replicas, since MobilePay last answered one of them. */
  readonly failuresInARow: number;
  readonly failingForMs: number;
}

/** @param nowMs wall clock, ms since 1970 */
export function upstreamFacts(
  environment: string,
  replicas: readonly Sighting[],
  breaker: UpstreamReport['breaker'],
  nowMs: number,
): UpstreamFacts {
  const reaches = replicas.flatMap(({ report, agoMs }) =>
    report.upstreams.filter((each) => each.environment === environment).map((each) => agedBy(agoMs, each)),
  );
  const answeredAgoMs = Math.min(...reaches.map((each) => each.answeredAgoMs ?? Infinity));
  const failures = reaches.flatMap(({ failure }) => failure ?? []).toSorted((a, b) => a.agoMs - b.agoMs);
  const [last] = failures;
  const isFailing = last !== undefined && last.agoMs < answeredAgoMs && last.agoMs < FAILING_FOR_MS;
  const failing = reaches.filter(({ failure }) => isFailing && failure !== undefined && failure.agoMs < answeredAgoMs);
  return {
    status: {
      environment,
      state: isFailing ? 'failing' : answeredAgoMs < IDLE_AFTER_MS ? 'ok' : 'idle',
      breaker: {
        state: breaker.state,
        failures: breaker.failures,
        retry_after: Math.ceil(breaker.remainingMs / 1_000),
      },
      ...(answeredAgoMs < Infinity && { last_success_at: ago(answeredAgoMs, nowMs) }),
      ...(last && { last_failure: { at: ago(last.agoMs, nowMs), code: last.code, detail: last.detail } }),
    },
    failuresInARow: failing.reduce((sum, each) => sum + each.failuresInARow, 0),
    failingForMs: Math.min(answeredAgoMs, Math.max(0, ...failing.map((each) => each.failingForMs))),
  };
}

export function ago(ms: number, nowMs: number): string {
  return new Date(nowMs - ms).toISOString();
}

function agedBy(ms: number, { answeredAgoMs, failure, ...reach }: UpstreamReach): UpstreamReach {
  return {
    ...reach,
    ...(answeredAgoMs !== undefined && { answeredAgoMs: answeredAgoMs + ms }),
    ...(failure && { failure: { ...failure, agoMs: failure.agoMs + ms } }),
    failingForMs: reach.failingForMs > 0 ? reach.failingForMs + ms : 0,
  };
}

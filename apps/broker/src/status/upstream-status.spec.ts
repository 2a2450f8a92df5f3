import type { UpstreamReach } from '#cluster';

import { aReport } from '../../../../test/support/cluster-report.js';
import { upstreamFacts } from './upstream-status.js';

const nowMs = Date.parse('2026-03-01T03:00:00.000Z');
const CLOSED = { state: 'closed', failures: 0, remainingMs: 0 } as const;
const MINUTE = 60_000;

/** @param seen each replica's reach, and how long ago it told of it */
function facts(...seen: (Partial<UpstreamReach> & { toldAgoMs?: number })[]) {
  const replicas = seen.map(({ toldAgoMs = 0, ...reach }, i) => ({
    report: aReport(`${i}`, {
      upstreams: [{ environment: 'sandbox', failuresInARow: 0, failingForMs: 0, ...reach }],
    }),
    agoMs: toldAgoMs,
  }));
  return upstreamFacts('sandbox', replicas, CLOSED, nowMs);
}

const failed = (agoMs: number) => ({
  failure: { agoMs, code: 'upstream_unavailable', detail: 'answered 503' },
  failuresInARow: 2,
  failingForMs: agoMs + 1_000,
});

it('is idle if nobody has called, or nobody did for long', () => {
  expect(facts({}).status).toEqual({
    environment: 'sandbox',
    state: 'idle',
    breaker: { state: 'closed', failures: 0, retry_after: 0 },
  });
  expect(facts({ answeredAgoMs: 61 * MINUTE }).status.state).toBe('idle');
});

it('is what the newest call of any replica found', () => {
  expect(facts({ answeredAgoMs: 100 }, failed(5_000)).status.state).toBe('ok');
  expect(facts({ answeredAgoMs: 5_000 }, failed(100)).status.state).toBe('failing');
  // The older a report, the older what it says.
  expect(facts({ answeredAgoMs: 100, toldAgoMs: 4_000 }, failed(2_000)).status.state).toBe('failing');
});

it('adds up the failures since the last answer, and tells since when there are any', () => {
  const found = facts({ answeredAgoMs: 5_000 }, failed(1_000), failed(3_000), failed(9_000));
  expect([found.failuresInARow, found.failingForMs]).toEqual([4, 4_000]);
  expect(found.status).toMatchObject({
    last_success_at: '2026-03-01T02:59:55.000Z',
    last_failure: { at: '2026-03-01T02:59:59.000Z', code: 'upstream_unavailable', detail: 'answered 503' },
  });
});

it('does not go on failing when nobody has asked again for long', () => {
  expect(facts({ answeredAgoMs: 20 * MINUTE }, failed(16 * MINUTE)).status.state).toBe('ok');
});

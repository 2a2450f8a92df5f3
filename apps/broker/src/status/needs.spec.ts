import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Need } from '#cluster';

import { aReport } from '../../../../test/support/cluster-report.js';
import { root } from '../../../../test/support/processes.js';
import { type NeedFacts, needsOf, RUNBOOK } from './needs.js';
import { upstreamFacts } from './upstream-status.js';

const nowMs = Date.parse('2026-03-01T03:00:00.000Z');
const CLOSED = { state: 'closed', failures: 0, remainingMs: 0 } as const;

type Report = Partial<ReturnType<typeof aReport>>;

/** Replicas a, b … with something to report. */
const seen = (...reports: Report[]) =>
  reports.map((more, i) => ({ report: aReport(String.fromCharCode(97 + i), more), agoMs: 0 }));

function needs(facts: Partial<NeedFacts>): Need[] {
  return needsOf({ nowMs, replicas: seen({}), upstreams: [], stores: [], oldSecrets: [], ...facts });
}

function theOne(facts: Partial<NeedFacts>): Need {
  const [first, ...others] = needs(facts);
  expect(others).toEqual([]);
  return first!;
}

function upstream(failures: number, more: object = {}) {
  const failure = { agoMs: 500, code: 'upstream_unavailable', detail: 'answered 503' };
  const reach = { environment: 'production', failure, failuresInARow: failures, failingForMs: 60_000, ...more };
  return upstreamFacts('production', seen({ upstreams: [reach] }), CLOSED, nowMs);
}

it('each has a section in the operations guide', () => {
  const guide = readFileSync(join(root, 'docs/alerts.md'), 'utf8');
  const anchors = new Set(
    [...guide.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading.toLowerCase().replaceAll(' ', '-')),
  );
  expect(Object.values(RUNBOOK).filter((anchor) => !anchors.has(anchor))).toEqual([]);
});

it('needs nothing when all is well', () => {
  const well = upstreamFacts(
    'production',
    seen({ upstreams: [{ environment: 'production', answeredAgoMs: 5, failuresInARow: 0, failingForMs: 0 }] }),
    CLOSED,
    nowMs,
  );
  expect(needs({ upstreams: [well], stores: [{ holds: 'tokens', kind: 'redis', up: true, latency_ms: 1 }] })).toEqual(
    [],
  );
});

it('says that MobilePay does not answer, how, and since when', () => {
  expect(theOne({ upstreams: [upstream(3)] })).toEqual({
    code: 'upstream_failing',
    severity: 'critical',
    detail:
      'MobilePay (production) gives no usable answer: answered 503. Tokens in memory serve until they run out; find out ' +
      'whether MobilePay is down or this network’s way to it.',
    runbook: 'docs/alerts.md#upstreamfailing',
    since: '2026-03-01T02:59:00.000Z',
    environment: 'production',
  });
});

it('thinks less of one failure than of several', () => {
  expect(theOne({ upstreams: [upstream(1)] }).severity).toBe('warning');
});

it('says that calls are paused', () => {
  const breaker = { state: 'open', failures: 5, remainingMs: 20_000 } as const;
  const found = theOne({ upstreams: [upstreamFacts('sandbox', seen({}), breaker, nowMs)] });
  expect(found).toMatchObject({ code: 'breaker_open', severity: 'critical', environment: 'sandbox' });
  expect(found.detail).toContain('after 5 failures in a row');
});

describe('a client that MobilePay refuses', () => {
  const verdict = (agoMs: number) => [{ client: 'acme', environment: 'sandbox', agoMs }];

  it('is named once, whoever was refused', () => {
    const found = theOne({ replicas: seen({ rejected: verdict(9_000) }, { rejected: verdict(3_000) }) });
    expect(found).toMatchObject({
      code: 'credentials_rejected',
      severity: 'critical',
      client: 'acme',
      environment: 'sandbox',
      since: '2026-03-01T02:59:57.000Z',
    });
  });

  it('is well again when another replica was accepted since', () => {
    expect(needs({ replicas: seen({ rejected: verdict(9_000) }, { accepted: verdict(3_000) }) })).toEqual([]);
  });

  it('is not well because it once was', () => {
    expect(needs({ replicas: seen({ rejected: verdict(3_000) }, { accepted: verdict(9_000) }) })).toHaveLength(1);
  });
});

it('says that a token is about to die on a replica, unless it is being renewed just now', () => {
  const near = (forMs: number) => ({ replicas: seen({ nearDeath: [{ environment: 'production', forMs }] }) });
  expect(theOne(near(30_000))).toMatchObject({
    code: 'tokens_near_death',
    severity: 'critical',
    replica: 'a',
    environment: 'production',
    since: '2026-03-01T02:59:30.000Z',
  });
  expect(needs(near(1_000))).toEqual([]);
});

it('says that Redis is away, and for how long', () => {
  const away = { kind: 'redis', up: false, reason: 'ECONNREFUSED', away_seconds: 30, latency_ms: null } as const;
  const found = needs({
    stores: [
      { holds: 'tokens', ...away },
      { holds: 'vault', ...away },
    ],
  });
  expect(found).toMatchObject([
    { code: 'redis_away', severity: 'warning', since: '2026-03-01T02:59:30.000Z' },
    { code: 'vault_redis_away', severity: 'warning' },
  ]);
  expect(found[0]?.detail).toMatch(/^Redis, which holds the tokens, is away \(ECONNREFUSED\)/);
});

it('says who cannot open which part of the vault', () => {
  expect(theOne({ replicas: seen({ locked: 2 }, {}) }).detail).toMatch(
    /^2 records of the vault cannot be opened by a:/,
  );
  const all = theOne({ replicas: seen({ locked: 1 }, { locked: 1 }) });
  expect(all).toMatchObject({ code: 'vault_locked', severity: 'critical' });
  expect(all.detail).toMatch(/^1 record of the vault cannot be opened by any replica:/);
});

it('says who cannot read what a newer version wrote, as something to finish', () => {
  const found = theOne({ replicas: seen({ newer: 2 }, {}) });
  expect(found).toMatchObject({ code: 'vault_newer', severity: 'warning' });
  expect(found.detail).toMatch(/^2 records of the vault cannot be read by a: a newer version wrote them/);
});

it('says that lines of the audit trail were lost, for an hour', () => {
  const lost = (agoMs: number) => ({ replicas: seen({ audit: { lost: 3, agoMs } }) });
  const found = theOne(lost(60_000));
  expect(found).toMatchObject({ code: 'audit_lost', severity: 'warning', replica: 'a' });
  expect(found.detail).toMatch(/^a has lost 3 lines/);
  expect(needs(lost(3_700_000))).toEqual([]);
});

it('says that an older secret is still in use: at once if the newer one is refused, else after a while', () => {
  const old = (newerForMs: number, isNewerRefused: boolean) => ({
    oldSecrets: [{ client: 'acme', environment: 'sandbox', newerForMs, isNewerRefused }],
  });
  expect(needs(old(60_000, false))).toEqual([]);
  expect(theOne(old(3_700_000, false))).toMatchObject({
    code: 'old_secret_in_use',
    severity: 'warning',
    client: 'acme',
  });
  expect(theOne(old(60_000, true)).detail).toMatch(/refuses the newer of the two secrets of acme/);
});

it('says that versions are mixed, unless they are just being rolled out', () => {
  const versions = (uptimeMs: number) => ({
    replicas: seen({ version: '1.0.0', uptimeMs: 9_000_000 }, { version: '1.1.0', uptimeMs }),
  });
  expect(needs(versions(60_000))).toEqual([]);
  const found = theOne(versions(700_000));
  expect(found).toMatchObject({ code: 'mixed_versions', severity: 'warning' });
  expect(found.detail).toContain('(1.0.0, 1.1.0)');
});

it('puts the worst first, and ends somewhere', () => {
  const oldSecrets = Array.from({ length: 100 }, (_, i) => ({
    client: `client-${i}`,
    environment: 'sandbox',
    newerForMs: 9_000_000,
    isNewerRefused: false,
  }));
  const found = needs({ oldSecrets, replicas: seen({ locked: 1, audit: { lost: 1, agoMs: 0 } }) });
  expect(found).toHaveLength(50);
  expect(found[0]?.code).toBe('vault_locked');
  expect(found[1]?.code).toBe('audit_lost');
});

import type { LastHour, Minute, Need, StatusNow } from '#cluster';

import { ACTIONS, questionOf, testResult } from './actions.js';
import { linesOf } from './explained.js';
import { commonStart } from './replica-names.js';
import { averageLatency, servedSeries, servedText, upstreamSeries, upstreamText } from './series.js';
import { headline, pageTitle, signInRefusal, summary } from './words.js';

const need = (severity: Need['severity']): Need => ({ code: 'redis_away', severity, detail: 'x', runbook: 'y' });
const minute = (
  tokens_served: number,
  upstream_calls: number,
  latency: number | null,
  upstream_errors = 0,
): Minute => ({
  at: '2026-01-02T03:00:00.000Z',
  tokens_served,
  upstream_calls,
  upstream_errors,
  latency_ms_average: latency,
  latency_ms_max: latency && latency * 2,
});
const hour: LastHour = {
  tokens_served: 100,
  upstream_calls: 4,
  upstream_errors: 1,
  calls_saved: 96,
  minutes: [minute(50, 3, 100), minute(40, 0, null), minute(10, 1, 500, 1)],
};
const now = (health: StatusNow['health'], ...needs: Need[]) =>
  ({ health, needs, last_hour: hour }) as unknown as StatusNow;

describe('the headline', () => {
  it.each([
    ['All is well', now('ok')],
    ['Running, with one warning', now('degraded', need('warning'))],
    ['Running, with 2 warnings', now('degraded', need('warning'), need('warning'))],
    ['One problem needs you now', now('critical', need('critical'), need('warning'))],
    ['2 problems need you now', now('critical', need('critical'), need('critical'))],
  ])('is: %s', (text, status) => {
    expect(headline(status)).toBe(text);
  });

  it('is followed by what stands behind it', () => {
    const status = {
      ...now('ok'),
      replicas: [{ state: 'ready' }, { state: 'draining' }],
      keys: { total: 10_000, failing: 3 },
    } as unknown as StatusNow;
    expect(summary(status)).toBe(
      '1 of 2 replicas ready, 10,000 tokens looked after (3 failing), 96 % of answers needed no call to MobilePay',
    );
  });
});

it('the title of the page counts what needs somebody', () => {
  expect([pageTitle(0), pageTitle(2)]).toEqual(['Token broker', '(2) Token broker']);
});

it('a sign-in that fails says what to do, whatever failed', () => {
  const texts = [0, 401, 403, 429, 500].map((status) => signInRefusal(status, 'detail', 30));
  expect(new Set(texts).size).toBe(5);
  expect(texts[2]).toContain('role ops');
  expect(texts[3]).toContain('30 seconds');
});

describe('an action', () => {
  it.each(ACTIONS)('%s: asks first, in words that name the client', (action) => {
    const { title, text, button } = questionOf(action, { client: 'acme', merchant: 'DK12345678' });
    expect(title).toMatch(/\?$/);
    expect(text).toContain('acme');
    expect(button).not.toBe('');
  });

  it('only the one that stops stores is grave', () => {
    const grave = ACTIONS.filter((action) => questionOf(action, { client: 'acme', merchant: '' }).isGrave);
    expect(grave).toEqual(['disable']);
  });

  it('a test names each secret when there are two', () => {
    const good = { fingerprint: 'aa', accepted: true, took_ms: 120, expires_in: 3_600 };
    const poor = { fingerprint: 'bb', accepted: false, detail: 'invalid_client' };
    expect(testResult({ accepted: true, secrets: [good] })).toBe(
      'MobilePay accepted the secret and gave a token for 60 minutes in 120 ms.',
    );
    expect(testResult({ accepted: true, secrets: [good, poor] })).toContain('refused the secret bb: invalid_client.');
  });
});

describe('the charts', () => {
  it('leave out the minute that is not over if it would look like a fall, but none of its errors', () => {
    expect(servedSeries(hour).lines).toEqual([
      [50, 40, null],
      [47, 40, null],
    ]);
    expect(servedSeries({ ...hour, minutes: [minute(0, 0, null), minute(9, 1, 80)] }).lines).toEqual([
      [0, 9],
      [0, 8],
    ]);
    expect(upstreamSeries(hour).lines[2]).toEqual([null, null, 1]);
  });

  it('weigh latency by calls', () => {
    expect(averageLatency(hour)).toBe(200);
    expect(averageLatency({ ...hour, minutes: [minute(5, 0, null)] })).toBeUndefined();
  });

  it('are told in words as well', () => {
    expect(servedText(hour)).toContain('100 in all, 50 in the busiest minute. 96 % needed no call');
    expect(upstreamText(hour)).toContain('4 calls, 200 ms on average, 1,000 ms at the most, 1 error.');
  });
});

it('replicas are called by what tells them apart, if that is still a name', () => {
  expect(commonStart(['token-broker-7d9f4-x2kqp', 'token-broker-7d9f4-9mmzt'])).toBe('token-broker-7d9f4-');
  expect(commonStart(['token-broker-prod-1', 'token-broker-prod-2'])).toBe('');
  expect(commonStart(['till-host-3487', 'till-host-3540'])).toBe('');
  expect(commonStart(['token-broker-7d9f4-x2kqp'])).toBe('');
  expect(commonStart(['same', 'same'])).toBe('');
});

it('an explanation is a list of sentences', () => {
  const lines = linesOf({
    next_answer: { from: 'refusal', why: 'the last refresh failed and still cools' },
    shared: { last_error: { in_a_row: 3, retry_after: 12 } },
    upstream: { breaker: { state: 'half_open', retry_after: 4 } },
  });
  expect(lines).toEqual([
    'The last refresh failed and still cools.',
    '3 refreshes in a row failed; the next try is in 12 s.',
    'The breaker is half open, for 4 s more.',
  ]);
});

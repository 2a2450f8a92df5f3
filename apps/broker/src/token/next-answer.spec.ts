import { IssuerError, type KeyReport, type UpstreamReport } from '#token';

import { aKey } from '../../../../test/support/tokens.js';
import { type Facts, nextAnswer } from './next-answer.js';

const key: KeyReport = { subject: aKey().subject, token: undefined, lease: undefined, failure: undefined };
const upstream: UpstreamReport = {
  heldBack: undefined,
  calls: 0,
  breaker: { state: 'closed', failures: 0, remainingMs: 0 },
};
const token = { tokenId: 'id', generation: 1, lifeMs: 3_700_000, remainingMs: 100_000, refreshedBy: 'b/1' };
const failure = { code: 'upstream_unavailable', message: 'answered 503', scope: 'key', remainingMs: 1_000 } as const;
const nothing: Facts = {
  heldMs: undefined,
  isExpiring: false,
  isRefreshing: false,
  failure: undefined,
  shared: { key, upstream },
  safetyMarginMs: 60_000,
};

it.each<[string, Partial<Facts>, string, string]>([
  ['a token in memory', { heldMs: 90_500 }, 'memory', 'holds a token with 90 s of life left'],
  ['an expiring one', { heldMs: 90_500, isExpiring: true }, 'memory', 'and starts a renewal'],
  ['one under renewal', { heldMs: 90_500, isExpiring: true, isRefreshing: true }, 'memory', 'a renewal is under way'],
  ['a refresh here', { isRefreshing: true }, 'refresh', 'this replica is getting one'],
  ['a failure here', { failure: new IssuerError('upstream_invalid', 'HTML') }, 'refusal', 'still cools: HTML'],
  ['no store', { shared: { away: 'OOM' } }, 'upstream', 'away (OOM)'],
  ['another’s token', { shared: { key: { ...key, token }, upstream } }, 'store', 'a token with 100 s of life left'],
  [
    'another’s dead token',
    { shared: { key: { ...key, token: { ...token, remainingMs: 59_999 } }, upstream } },
    'upstream',
    'would call',
  ],
  [
    'another’s failure',
    { shared: { key: { ...key, failure: { ...failure, inARow: 1 } }, upstream } },
    'refusal',
    'answered 503',
  ],
  [
    'another’s lease',
    { shared: { key: { ...key, lease: { owner: 'other-1/x', generation: 1, remainingMs: 5 } }, upstream } },
    'refresh',
    'other-1 is getting one',
  ],
  [
    'a client held back',
    { shared: { key, upstream: { ...upstream, heldBack: { ...failure, scope: 'client' } } } },
    'refusal',
    'the client is held back: answered 503',
  ],
  [
    'an open breaker',
    { shared: { key, upstream: { ...upstream, breaker: { state: 'open', failures: 5, remainingMs: 9 } } } },
    'refusal',
    'breaker',
  ],
  ['nothing at all', {}, 'upstream', 'would call'],
])('with %s', (_, facts, from, why) => {
  const next = nextAnswer({ ...nothing, ...facts });
  expect(next.from).toBe(from);
  expect(next.why).toContain(why);
});

import type { TimelineEvent } from '#cluster';

import { applyEvent, applyTime, type Row, rowId, rowOf, rowsOf, type TokenItem } from './rows.js';

const NOW = Date.parse('2026-01-02T03:00:00.000Z');
const at = (seconds: number) => new Date(NOW + seconds * 1_000).toISOString();

const item: TokenItem = {
  client: 'acme',
  merchant_vat: 'DK12345678',
  environment: 'production',
  credential_generation: 1,
  state: 'fresh',
  seconds_left: 2_700,
  generation: 7,
  token_id: 'old-token',
  refreshed_by: 'a',
  refreshed_at: at(-900),
};
const refreshed: TimelineEvent = {
  id: '1',
  at: at(0),
  kind: 'refreshed',
  replica: 'b',
  client: 'acme',
  merchant_vat: 'DK12345678',
  environment: 'production',
  token_id: 'new-token',
  generation: 8,
  life_seconds: 3_600,
};

function rowAfter(...events: readonly TimelineEvent[]): Row | undefined {
  const rows = rowsOf([item], NOW);
  for (const event of events) applyEvent(rows, event);
  return rows.get(rowId('acme', 'DK12345678'));
}

it('a row knows how long its token lives in all', () => {
  expect(rowOf(item, NOW)).toMatchObject({ lifeMs: 3_600_000, expiresAtMs: NOW + 2_700_000, error: '' });
});

it('a refresh gives its row a new life, by the replica that led it', () => {
  const failed = { ...refreshed, kind: 'failed', code: 'upstream_unavailable', detail: 'away' } as const;
  expect(rowAfter({ ...failed, at: at(-1) }, refreshed)).toMatchObject({
    state: 'fresh',
    expiresAtMs: NOW + 3_600_000,
    tokenId: 'new-token',
    generation: 8,
    refreshedBy: 'b',
    errorCode: '',
  });
});

it('what the stream tells again, of an older token, changes nothing', () => {
  expect(rowAfter({ ...refreshed, generation: 6 })).toMatchObject({ tokenId: 'old-token' });
  expect(rowAfter({ ...refreshed, at: at(-2_000) })).toMatchObject({ tokenId: 'old-token' });
  const late = { ...refreshed, kind: 'failed', at: at(-1_000), code: 'upstream_unavailable' } as const;
  expect(rowAfter(late)).toMatchObject({ state: 'fresh', errorCode: '' });
});

it('how often a failure came again, told after the minute, says nothing of now', () => {
  const row = rowAfter({
    ...refreshed,
    kind: 'failed',
    code: 'merchant_rejected',
    detail: 'No such (9 more within a minute)',
  });
  expect(row?.state).toBe('fresh');
});

it('a failure is told in words, and the token that is held stays', () => {
  const row = rowAfter({
    ...refreshed,
    kind: 'failed',
    code: 'merchant_rejected',
    detail: 'No such merchant',
    retry_after: 30,
  });
  expect(row).toMatchObject({ state: 'failing', errorCode: 'merchant_rejected', error: 'No such merchant' });
  expect(row).toMatchObject({ tokenId: 'old-token', expiresAtMs: NOW + 2_700_000 });
  expect(row?.words).toContain('no such merchant');
});

it('only the token that was named is invalidated', () => {
  expect(rowAfter({ ...refreshed, kind: 'invalidated', token_id: 'another' })).toMatchObject({ state: 'fresh' });
  expect(rowAfter({ ...refreshed, kind: 'invalidated', token_id: 'old-token' })).toMatchObject({
    state: 'dead',
    tokenId: undefined,
    expiresAtMs: 0,
  });
});

it('a key that is new gets a row', () => {
  const rows = new Map<string, Row>();
  expect(applyEvent(rows, { ...refreshed, merchant_vat: 'FI87654321' })).toBe(true);
  expect([...rows.values()]).toMatchObject([{ client: 'acme', merchant: 'FI87654321', state: 'fresh' }]);
});

it('what concerns no key concerns no row', () => {
  const rows = rowsOf([item], NOW);
  expect(applyEvent(rows, { id: '2', at: at(0), kind: 'replica_came', replica: 'c' })).toBe(false);
  expect(applyEvent(rows, { ...refreshed, kind: 'rotated' })).toBe(false);
});

it('of a key under an old secret and a new one, the newer is shown', () => {
  const newer = { ...item, credential_generation: 2, token_id: 'newer' };
  expect([...rowsOf([newer, item], NOW).values()]).toMatchObject([{ tokenId: 'newer' }]);
  expect([...rowsOf([item, newer], NOW).values()]).toMatchObject([{ tokenId: 'newer' }]);
});

it('a token grows old by the clock', () => {
  const rows = rowsOf([item], NOW);
  const state = () => [...rows.values()].map((row) => row.state);
  expect(applyTime(rows, NOW + 1_799_000)).toBe(false);
  expect(applyTime(rows, NOW + 1_801_000)).toBe(true);
  expect(state()).toEqual(['expiring']);
  applyTime(rows, NOW + 2_700_000);
  expect(state()).toEqual(['dead']);
});

it('what fails does so until it has cooled, and is then what its token is', () => {
  const failing = { ...item, state: 'failing', last_error: { code: 'x', detail: 'y', retry_after: 30 } } as const;
  const { token_id: _, ...withoutToken } = failing;
  const rows = rowsOf([failing, { ...withoutToken, client: 'beta' }], NOW);
  const states = () => [...rows.values()].map(({ state }) => state);
  applyTime(rows, NOW + 29_000);
  expect(states()).toEqual(['failing', 'failing']);
  applyTime(rows, NOW + 31_000);
  expect(states()).toEqual(['fresh', 'dead']);
});

it('who refreshes does so until the lease is over', () => {
  const rows = rowsOf([{ ...item, state: 'refreshing', lease: { replica: 'c', seconds_left: 8 } }], NOW);
  expect([...rows.values()]).toMatchObject([{ state: 'refreshing', refreshedBy: 'c' }]);
  applyTime(rows, NOW + 9_000);
  expect([...rows.values()]).toMatchObject([{ state: 'fresh' }]);
});

it('what the broker calls dead stays so, whatever life is left', () => {
  const rows = rowsOf([{ ...item, state: 'dead', seconds_left: 4 }], NOW);
  expect(applyTime(rows, NOW + 1_000)).toBe(false);
});

it('a row that did not change is the same one', () => {
  const rows = rowsOf([item], NOW);
  const before = [...rows.values()];
  applyTime(rows, NOW + 1_000);
  applyEvent(rows, { ...refreshed, merchant_vat: 'FI87654321' });
  expect(rows.get(rowId('acme', 'DK12345678'))).toBe(before[0]);
});

import { type Row, rowOf, type TokenItem } from './rows.js';
import { COLUMNS, FIRST_SORT, nextSort, sortRows, viewOf } from './table-view.js';

const NOW = Date.parse('2026-01-02T03:00:00.000Z');

function row(client: string, more: Partial<TokenItem> = {}): Row {
  const fresh = {
    state: 'fresh',
    seconds_left: 3_000,
    token_id: 'x',
    refreshed_at: '2026-01-02T02:50:00.000Z',
  } as const;
  return rowOf({ client, environment: 'production', credential_generation: 1, ...fresh, ...more }, NOW);
}

const rows = [
  row('beta', { merchant_vat: 'DK20000000' }),
  row('acme', {
    merchant_vat: 'DK30000000',
    state: 'failing',
    last_error: { code: 'merchant_rejected', detail: 'No such', retry_after: 9 },
  }),
  row('acme', { merchant_vat: 'DK10000000', seconds_left: 10, state: 'expiring', environment: 'sandbox' }),
  row('acme', { merchant_vat: 'DK40000000', state: 'failing', seconds_left: 60 }),
];
const names = (shown: readonly Row[]) => shown.map(({ client, merchant }) => `${client} ${merchant.slice(0, 3)}`);
const found = (query: string) => names(viewOf(rows, { query, states: [] }).rows);

it('the worst come first, and of those the one that runs out first', () => {
  expect(names(sortRows(rows, FIRST_SORT))).toEqual(['acme DK4', 'acme DK3', 'acme DK1', 'beta DK2']);
});

it('all words must be found, in any field and case', () => {
  expect(found('ACME dk3')).toEqual(['acme DK3']);
  expect(found(' sandbox ')).toEqual(['acme DK1']);
  expect(found('no such')).toEqual(['acme DK3']);
  expect(found('merchant_rejected')).toEqual(['acme DK3']);
  expect(found('acme zebra')).toEqual([]);
});

it('a state is counted whether or not it is wanted', () => {
  const view = viewOf(rows, { query: 'acme', states: ['expiring'] });
  expect(names(view.rows)).toEqual(['acme DK1']);
  expect(view.counts).toEqual({ failing: 2, dead: 0, expiring: 1, refreshing: 0, fresh: 0 });
});

it.each(COLUMNS)('by %s, the other way round is the other way round', (column) => {
  const up = sortRows(rows, { column, isDescending: false });
  const down = sortRows(rows, { column, isDescending: true });
  const key = (each: Row) =>
    ({
      client: `${each.client} ${each.merchant}`,
      merchant: each.merchant,
      environment: each.environment,
      state: `${each.state} ${each.expiresAtMs}`,
      life: each.expiresAtMs,
      refreshed: each.refreshedAtMs,
      error: each.error,
    })[column];
  expect(down.map(key)).toEqual(up.map(key).toReversed());
});

it('a second click turns the order round, and times begin with the newest', () => {
  expect(nextSort(FIRST_SORT, 'client')).toEqual({ column: 'client', isDescending: false });
  expect(nextSort({ column: 'client', isDescending: false }, 'client')).toEqual({
    column: 'client',
    isDescending: true,
  });
  expect(nextSort(FIRST_SORT, 'refreshed')).toEqual({ column: 'refreshed', isDescending: true });
});

it('neither sorting nor searching changes what it was given', () => {
  const before = [...rows];
  sortRows(rows, { column: 'client', isDescending: true });
  viewOf(rows, { query: 'acme', states: [] });
  expect(rows).toEqual(before);
});

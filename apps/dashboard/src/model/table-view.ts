import { type Row, type RowState, STATES } from './rows.js';

export const COLUMNS = ['client', 'merchant', 'environment', 'state', 'life', 'refreshed', 'error'] as const;
export type Column = (typeof COLUMNS)[number];

export interface Sort {
  readonly column: Column;
  readonly isDescending: boolean;
}

/** What somebody wants to see of the table. */
export interface Wanted {
  readonly query: string;
  readonly states: readonly RowState[];
  readonly sort: Sort;
}

export interface TableView {
  readonly rows: readonly Row[];
  /** Of what the search leaves, whatever states are wanted: a chip says what a click on it would show. */
  readonly counts: Readonly<Record<RowState, number>>;
}

/** The worst first: who opens the page looks for it. */
export const FIRST_SORT: Sort = { column: 'state', isDescending: false };

/** @param sorted in the order that is kept: to sort takes ten times as long as to search, and is not done for each letter */
export function viewOf(sorted: readonly Row[], { query, states }: Pick<Wanted, 'query' | 'states'>): TableView {
  const counts: Record<RowState, number> = { failing: 0, dead: 0, expiring: 0, refreshing: 0, fresh: 0 };
  const terms = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found: Row[] = [];
  for (const row of sorted) {
    if (!terms.every((term) => row.words.includes(term))) continue;
    counts[row.state] += 1;
    if (states.length === 0 || states.includes(row.state)) found.push(row);
  }
  return { rows: found, counts };
}

export function sortRows(rows: readonly Row[], { column, isDescending }: Sort): readonly Row[] {
  const compare = COMPARE[column];
  const sign = isDescending ? -1 : 1;
  return rows.toSorted((a, b) => sign * compare(a, b) || byName(a, b));
}

/** A click on a column's head: first the way that is wanted more often, then the other. */
export function nextSort(sort: Sort, column: Column): Sort {
  if (sort.column === column) return { column, isDescending: !sort.isDescending };
  return { column, isDescending: column === 'refreshed' || column === 'error' };
}

/** Names are ASCII, and a collator would take ten times as long. */
function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function byName(a: Row, b: Row): number {
  return byText(a.client, b.client) || byText(a.merchant, b.merchant) || byText(a.scope, b.scope);
}

const COMPARE: Readonly<Record<Column, (a: Row, b: Row) => number>> = {
  client: byName,
  merchant: (a, b) => byText(a.merchant, b.merchant),
  environment: (a, b) => byText(a.environment, b.environment),
  // Of those that fail, the one that runs out first.
  state: (a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state) || a.expiresAtMs - b.expiresAtMs,
  life: (a, b) => a.expiresAtMs - b.expiresAtMs,
  refreshed: (a, b) => a.refreshedAtMs - b.refreshedAtMs,
  error: (a, b) => byText(a.error, b.error),
};

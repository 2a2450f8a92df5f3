import { type RowState, STATES } from './rows.js';
import { type Column, COLUMNS, FIRST_SORT, type Wanted } from './table-view.js';

/** What a link to the page carries behind its `#`: it is not sent to any server. */
export interface Shown extends Wanted {
  /** The id of the row that is open. */
  readonly open: string;
}

export const FIRST_SHOWN: Shown = { query: '', states: [], sort: FIRST_SORT, open: '' };

/** Reads what it knows, and passes over the rest: a link may be old or mistyped. */
export function readHash(hash: string): Shown {
  const fields = new URLSearchParams(hash.replace(/^#/, ''));
  const wanted = fields.get('sort') ?? '';
  const column = COLUMNS.find((each) => each === wanted.replace(/^-/, ''));
  return {
    query: fields.get('q') ?? '',
    states: (fields.get('state') ?? '').split(',').filter(isState),
    sort: column ? { column, isDescending: wanted.startsWith('-') } : FIRST_SORT,
    open: fields.get('open') ?? '',
  };
}

/** @returns what `readHash` reads the same from; empty for what is shown at first */
export function hashOf({ query, states, sort, open }: Shown): string {
  const fields = new URLSearchParams();
  if (query) fields.set('q', query);
  if (states.length > 0) fields.set('state', states.join(','));
  if (sort.column !== FIRST_SORT.column || sort.isDescending)
    fields.set('sort', sortText(sort.column, sort.isDescending));
  if (open) fields.set('open', open);
  const text = fields.toString();
  return text && `#${text}`;
}

/** A link to what a problem is about. */
export function searchHash(...terms: readonly (string | undefined)[]): string {
  return hashOf({ ...FIRST_SHOWN, query: terms.filter(Boolean).join(' ') });
}

function sortText(column: Column, isDescending: boolean): string {
  return isDescending ? `-${column}` : column;
}

function isState(text: string): text is RowState {
  return STATES.some((state) => state === text);
}

import { batch, computed, signal } from '@preact/signals';

import type { TimelineEvent } from '#cluster';

import { ApiError, call } from './api.js';
import { brokerNow } from './clock.js';
import { applyEvent, applyTime, type Row, rowsOf, type TokenItem } from './rows.js';
import { shown } from './shown.js';
import { sortRows, viewOf } from './table-view.js';

const PAGE = 1_000;
const SETTLE_MS = 5_000;
/** What the stream may have missed is put right. */
const RELOAD_MS = 4 * 60_000;
/** The least between two readings that a flood of events leads to. */
const CATCH_UP_MS = 60_000;

/** Replaced as a whole when a row has changed, so that what depends on it notices. */
export const rows = signal<readonly Row[]>([]);
/** How many were read so far, while the first reading goes on. */
export const loading = signal<number | undefined>(0);
export const loadError = signal('');

// The same as long as nobody sorts anew, whatever else of `shown` changes.
const sort = computed(() => shown.value.sort);
const sorted = computed(() => sortRows(rows.value, sort.value));
export const view = computed(() => viewOf(sorted.value, shown.value));
export const openRow = computed(() => {
  const { open } = shown.value;
  return open ? rows.value.find(({ id }) => id === open) : undefined;
});

let byId = new Map<string, Row>();
/** What happened while the pages are read, which they may not know of. */
let meanwhile: TimelineEvent[] | undefined;
let isCurrent = {};
let readAtMs = 0;

/** Reads all pages. What is shown stays until the last one is there; only the first time shows its progress. */
export async function loadRows(): Promise<void> {
  const mine = {};
  isCurrent = mine;
  readAtMs = Date.now();
  meanwhile = [];
  const items: TokenItem[] = [];
  try {
    let cursor: string | undefined;
    do {
      const path = `v1/tokens?limit=${PAGE}${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;
      const { body } = await call<{ items: TokenItem[]; next_cursor?: string }>(path);
      if (isCurrent !== mine) return;
      items.push(...body.items);
      cursor = body.next_cursor;
      if (loading.peek() !== undefined) loading.value = items.length;
    } while (cursor !== undefined);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (isCurrent === mine) loadError.value = error.detail;
    return;
  }
  byId = rowsOf(items, brokerNow());
  for (const event of meanwhile) applyEvent(byId, event);
  meanwhile = undefined;
  batch(() => {
    loading.value = undefined;
    loadError.value = '';
    publish();
  });
}

export function applyEvents(events: readonly TimelineEvent[]): void {
  meanwhile?.push(...events);
  const changes = events.filter((event) => applyEvent(byId, event));
  if (changes.length > 0) publish();
  // In a flood not each refresh is told, only how many they were.
  if (events.some(isOfMany) && Date.now() - readAtMs > CATCH_UP_MS) void loadRows();
}

function isOfMany({ kind, client }: TimelineEvent): boolean {
  return client === undefined && (kind === 'refreshed' || kind === 'failed' || kind === 'invalidated');
}

/** Keeps the rows true to the clock, and to the broker. @returns what stops it */
export function keepRows(): () => void {
  const settle = setInterval(() => {
    if (!document.hidden && applyTime(byId, brokerNow())) publish();
  }, SETTLE_MS);
  const reload = setInterval(() => {
    if (!document.hidden) void loadRows();
  }, RELOAD_MS);
  return () => {
    isCurrent = {};
    clearInterval(settle);
    clearInterval(reload);
  };
}

/** Nothing of what one caller saw is left for the next. */
export function forgetRows(): void {
  byId = new Map();
  batch(() => {
    rows.value = [];
    loading.value = 0;
    loadError.value = '';
  });
}

function publish(): void {
  // What came before the first reading was over would look like all there is.
  if (loading.peek() === undefined) rows.value = [...byId.values()];
}

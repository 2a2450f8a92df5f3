import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';

import { count, counted } from '../model/format.js';
import { loadError, loading, loadRows, rows, view } from '../model/keys.js';
import { hasClients, keysTotal } from '../model/live.js';
import type { Row } from '../model/rows.js';
import { show, shown } from '../model/shown.js';
import { COLUMNS, nextSort } from '../model/table-view.js';
import { loadedText } from '../model/words.js';
import { SortIcon } from './icons.js';
import { COLUMN_WORDS } from './key-columns.js';
import { KeyFilter } from './key-filter.js';
import { KeyRow } from './key-row.js';
import { narrow } from './narrow.js';
import { useKeptFocus } from './use-kept-focus.js';
import { useVirtual } from './use-virtual.js';

const HEAD_HEIGHT = 36;
const ROW_HEIGHT = 44;
/** Two lines on a phone. */
const CARD_HEIGHT = 84;

export function KeyTable() {
  const total = rows.value.length;
  const found = view.value.rows.length;
  return (
    <section class="keys" id="keys" aria-labelledby="keys-title">
      <div class="keys-head">
        <h2 id="keys-title">Clients and merchants</h2>
        <p class="keys-count" role="status">
          {loading.value === undefined &&
            (found === total ? counted(total, 'token') : `${count(found)} of ${counted(total, 'token')}`)}
        </p>
      </div>
      {(total > 0 || loading.value !== undefined) && <KeyFilter />}
      <Body />
    </section>
  );
}

function Body() {
  if (loading.value !== undefined) {
    return loadError.value ? (
      <div class="card empty">
        <h3>The tokens could not be read</h3>
        <p>{loadError.value}</p>
        <button class="button" type="button" onClick={() => void loadRows()}>
          Try again
        </button>
      </div>
    ) : (
      <div class="card empty" role="status">
        <p>{loadedText(loading.value, keysTotal.value)}</p>
        <progress aria-label="Tokens read" value={loading.value} max={Math.max(keysTotal.value, loading.value, 1)} />
      </div>
    );
  }
  if (rows.value.length === 0) return <Empty />;
  return <Grid />;
}

function Empty() {
  return hasClients.value ? (
    <div class="card empty">
      <h3>No tokens yet</h3>
      <p>They appear here when a store asks for its first one.</p>
    </div>
  ) : (
    <div class="card empty">
      <h3>No clients yet</h3>
      <p>Add the first one from the zip that MobilePay sent you. It is tried at MobilePay before it is kept.</p>
      <code class="block">token-broker import mobilepay.zip --name acme --environment production --test</code>
    </div>
  );
}

function Grid() {
  const scroller = useRef<HTMLDivElement>(null);
  const active = useSignal('');
  const list = view.value.rows;
  // By its id: rows change places while somebody is on one of them.
  const at = Math.max(
    0,
    list.findIndex(({ id }) => id === active.value),
  );
  const virtual = useVirtual({
    count: list.length,
    rowHeight: narrow.value ? CARD_HEIGHT : ROW_HEIGHT,
    headHeight: narrow.value ? 0 : HEAD_HEIGHT,
    scroller: () => scroller.current,
    kept: at,
  });
  const focus = useKeptFocus(scroller, at);

  const onKeyDown = (event: KeyboardEvent) => {
    if (!isRow(event.target)) return;
    // Read anew: keys may come faster than the table is drawn.
    const now = Math.max(
      0,
      list.findIndex(({ id }) => id === active.peek()),
    );
    const to = stepOf(event.key, now, list.length - 1, scroller.current?.clientHeight ?? 0);
    const row = list[to ?? now];
    if (to !== undefined && row) {
      active.value = row.id;
      focus.want();
      virtual.scrollToIndex(to);
    } else if (event.key === 'Enter' || event.key === ' ') open(row);
    else return;
    event.preventDefault();
  };

  return (
    <div class="card grid-card">
      <div
        class="grid"
        ref={scroller}
        role="grid"
        aria-label="Clients and merchants"
        aria-rowcount={list.length + 1}
        onKeyDown={onKeyDown}
        onFocusIn={({ target }) => {
          if (!isRow(target)) return;
          active.value = list[Number(target.dataset['index'])]?.id ?? '';
          focus.want();
        }}
        onFocusOut={focus.lost}
      >
        <div role="rowgroup" class="grid-head">
          <Head />
        </div>
        <div role="rowgroup" class="grid-body" style={{ height: `${virtual.getTotalSize()}px` }}>
          {virtual.getVirtualItems().map(({ index, start }) => {
            const row = list[index];
            return (
              row && <KeyRow key={row.id} row={row} index={index} top={start} isTabStop={index === at} onOpen={open} />
            );
          })}
        </div>
      </div>
      {list.length === 0 && (
        <div class="empty">
          <h3>Nothing matches</h3>
          <button class="button" type="button" onClick={() => show({ query: '', states: [] })}>
            Show all
          </button>
        </div>
      )}
    </div>
  );
}

function Head() {
  const { sort } = shown.value;
  return (
    <div role="row" class="row head" aria-rowindex={1}>
      {COLUMNS.map((column) => {
        const isSorted = sort.column === column;
        return (
          <span
            key={column}
            role="columnheader"
            class={`c-${column}`}
            aria-sort={isSorted ? (sort.isDescending ? 'descending' : 'ascending') : 'none'}
          >
            <button type="button" onClick={() => show({ sort: nextSort(sort, column) })}>
              {COLUMN_WORDS[column]}
              {isSorted && <SortIcon isDescending={sort.isDescending} />}
            </button>
          </span>
        );
      })}
      <span role="columnheader" class="c-actions">
        <span class="hidden">Actions</span>
      </span>
    </div>
  );
}

/** @returns the row that a key leads to; undefined for keys that lead to none */
function stepOf(key: string, at: number, last: number, height: number): number | undefined {
  const page = Math.max(1, Math.floor(height / ROW_HEIGHT) - 2);
  const steps: Readonly<Record<string, number>> = {
    ArrowDown: at + 1,
    ArrowUp: at - 1,
    PageDown: at + page,
    PageUp: at - page,
    Home: 0,
    End: last,
  };
  const to = steps[key];
  return to === undefined ? undefined : Math.max(0, Math.min(to, last));
}

function isRow(target: EventTarget | null): target is HTMLElement {
  return target instanceof HTMLElement && target.dataset['index'] !== undefined;
}

function open(row: Row | undefined): void {
  if (row) show({ open: row.id });
}

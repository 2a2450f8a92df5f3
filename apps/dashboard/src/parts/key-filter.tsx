import { useEffect, useRef } from 'preact/hooks';

import { count } from '../model/format.js';
import { view } from '../model/keys.js';
import { type RowState, STATES } from '../model/rows.js';
import { show, shown } from '../model/shown.js';
import { type Column, COLUMNS } from '../model/table-view.js';
import { STATE_WORDS } from '../model/words.js';
import { COLUMN_WORDS } from './key-columns.js';
import { SearchIcon } from './icons.js';

export function KeyFilter() {
  const { counts } = view.value;
  return (
    <div class="filter">
      <Search />
      <div class="chips" role="group" aria-label="States">
        {STATES.map((state) => (
          <button
            key={state}
            class="chip"
            type="button"
            title={STATE_WORDS[state]}
            aria-pressed={shown.value.states.includes(state)}
            onClick={() => toggle(state)}
          >
            <span class={`state-mark ${state}`} />
            {state} <span class="chip-count">{count(counts[state])}</span>
          </button>
        ))}
      </div>
      <SortChoice />
    </div>
  );
}

function Search() {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector('dialog[open]')) return;
      event.preventDefault();
      field.current?.focus();
    };
    addEventListener('keydown', focus);
    return () => removeEventListener('keydown', focus);
  }, []);
  return (
    <div class="search">
      <SearchIcon />
      <input
        ref={field}
        type="search"
        aria-label="Search clients and merchants"
        placeholder="Client, merchant, state or error"
        autocomplete="off"
        spellcheck={false}
        value={shown.value.query}
        onInput={({ currentTarget }) => show({ query: currentTarget.value })}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

/** On a phone, where there are no column heads to click on. */
function SortChoice() {
  const { column, isDescending } = shown.value.sort;
  return (
    <label class="sort-choice">
      Sort by{' '}
      <select
        value={`${isDescending ? '-' : ''}${column}`}
        onChange={({ currentTarget: { value } }) => {
          const wanted = COLUMNS.find((each) => each === value.replace('-', ''));
          if (wanted) show({ sort: { column: wanted, isDescending: value.startsWith('-') } });
        }}
      >
        {COLUMNS.flatMap((each: Column) => [
          <option key={each} value={each}>
            {COLUMN_WORDS[each]} ↑
          </option>,
          <option key={`-${each}`} value={`-${each}`}>
            {COLUMN_WORDS[each]} ↓
          </option>,
        ])}
      </select>
    </label>
  );
}

function toggle(state: RowState): void {
  const { states } = shown.peek();
  show({ states: states.includes(state) ? states.filter((each) => each !== state) : [...states, state] });
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches('input, select, textarea');
}

import { signal } from '@preact/signals';

import { hashOf, readHash, type Shown } from './hash.js';

/** What of the table is shown; the address says it too, so that a link to it can be shared. */
export const shown = signal<Shown>(readHash(location.hash));

export function show(change: Partial<Shown>): void {
  shown.value = { ...shown.peek(), ...change };
  // Replaced, not pushed: the way back should not lead through each letter of a search.
  history.replaceState(null, '', `${location.pathname}${location.search}${hashOf(shown.peek())}`);
}

export function followHash(): void {
  addEventListener('hashchange', () => {
    shown.value = readHash(location.hash);
  });
}

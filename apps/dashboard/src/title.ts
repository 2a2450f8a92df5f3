import { effect } from '@preact/signals';

import { isStale, status } from './model/live.js';
import { pageTitle } from './model/words.js';

/** Seen in a tab's corner, on light and on dark. */
const COLOURS = { ok: '#2f9e6b', degraded: '#d9932b', critical: '#dc4a50', unknown: '#8a8c96' } as const;

/** The tab says how many things need somebody, and its icon's colour how bad it is. */
export function followTitle(): void {
  effect(() => {
    const now = status.value;
    document.title = pageTitle(now?.needs.length ?? 0);
    const colour = COLOURS[now && !isStale.value ? now.health : 'unknown'];
    const picture =
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6" fill="none" ` +
      `stroke="${colour}" stroke-width="3"/><circle cx="8" cy="8" r="2" fill="${colour}"/></svg>`;
    document.querySelector('link[rel=icon]')?.setAttribute('href', `data:image/svg+xml,${encodeURIComponent(picture)}`);
  });
}

import { signal } from '@preact/signals';

/** As in the styles: rows are cards of two lines then, so their height differs. */
const query = matchMedia('(max-width: 719px)');

export const narrow = signal(query.matches);
query.addEventListener('change', () => {
  narrow.value = query.matches;
});

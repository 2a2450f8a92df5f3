import { signal } from '@preact/signals';

import type { Row } from './rows.js';

/** `switch`: which way is known only when the client has been read. */
export type Asked = 'invalidate' | 'test' | 'switch';

export const asked = signal<{ readonly what: Asked; readonly row: Row } | undefined>(undefined);

export function ask(what: Asked, row: Row): void {
  asked.value = { what, row };
}

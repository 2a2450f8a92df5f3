import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './processes.js';

/** The broker's own metrics, as docs/metrics.md lists them. */
export function listedMetrics(): Set<string> {
  const rows = readFileSync(join(root, 'docs/metrics.md'), 'utf8').matchAll(/^\| *`(token_broker_\w+)/gm);
  return new Set([...rows].map(([, name = '']) => name));
}

/** Puts the OpenAPI document into `dist/apps/docs`, and beside it the page that shows it: one file, without scripts. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { docsPage } from './docs-page.mjs';

const root = join(import.meta.dirname, '..');
const outdir = join(root, 'dist/apps/docs');

const text = readFileSync(join(root, 'docs/openapi.json'), 'utf8');
mkdirSync(outdir, { recursive: true });
writeFileSync(join(outdir, 'openapi.json'), text);
writeFileSync(
  join(outdir, 'index.html'),
  docsPage(JSON.parse(text), readFileSync(join(root, 'scripts/docs-page.css'), 'utf8')),
);

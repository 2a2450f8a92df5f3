/** Bundles the operations page into `dist/apps/dashboard`: files named by what they hold, and an `index.html` beside them
 *  that refers to them relatively. Everything but the page itself is looked for below `dashboard/`. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { buildSync } from 'esbuild';

const root = join(import.meta.dirname, '..');
const source = 'apps/dashboard/src';
const outdir = join(root, 'dist/apps/dashboard');
const entry = `${source}/main.tsx`;

// What an earlier build has left would be served too.
rmSync(outdir, { recursive: true, force: true });
const { metafile } = buildSync({
  absWorkingDir: root,
  entryPoints: [entry],
  outdir,
  bundle: true,
  minify: true,
  metafile: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  entryNames: '[name]-[hash]',
  assetNames: '[name]-[hash]',
  loader: { '.svg': 'file', '.png': 'file', '.woff2': 'file' },
});

const [script, { cssBundle }] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === entry);
const tags = [
  ...(cssBundle ? [`<link rel="stylesheet" href="dashboard/${basename(cssBundle)}" />`] : []),
  `<script type="module" src="dashboard/${basename(script)}"></script>`,
];
const page = readFileSync(join(root, source, 'index.html'), 'utf8');
if (page.split('</head>').length !== 2) throw new Error(`${source}/index.html must have one </head>`);
mkdirSync(outdir, { recursive: true });
writeFileSync(join(outdir, 'index.html'), page.split('</head>').join(`  ${tags.join('\n    ')}\n  </head>`));

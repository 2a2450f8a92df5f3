/** Bundles what the broker is built of, and its packages, into `dist/apps/broker/broker.cjs`, which `main.js` runs: one file
 *  is read and compiled in half the time that 1,400 take (`docs/adr/0021-the-broker-starts-from-one-file.md`).
 *
 *      node scripts/bundle-broker.mjs [folder] */
import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

import { build, stop } from 'esbuild';

const root = join(import.meta.dirname, '..');
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));

/** They look for files beside themselves: a native binding, a worker. */
const STAY_FILES = ['fs-native-extensions', 'pino', 'pino-pretty'];

/** Nest tries packages that nobody need have. Those that are not shipped stay out, though a tool may have brought them.
 *  What is imported outright must be shipped. */
const shippedOnly = {
  name: 'shipped only',
  setup({ onResolve, resolve: find }) {
    onResolve({ filter: /^[^./]/ }, async ({ path, pluginData, ...from }) => {
      if (pluginData === shippedOnly) return undefined;
      const found = await find(path, { ...from, pluginData: shippedOnly });
      const { dev, optional, devOptional } = packages[packageOf(found.path)] ?? {};
      if (found.errors.length === 0 && !dev && !optional && !devOptional) return found;
      if (from.kind !== 'import-statement') return { path, external: true };
      return { errors: [{ text: `${path}, which ${from.importer} imports, is not among the dependencies` }] };
    });
  },
};

/** Where the package of a file stands in package-lock.json; nowhere for what is no package's. */
function packageOf(path) {
  return /node_modules\/.*(?<=node_modules\/)(@[^/]+\/)?[^/]+/.exec(path)?.[0];
}

/** What a file of ours looks for beside itself still lies there, and not beside the bundle. */
function ownPlaces(dist, outfile) {
  return {
    name: 'own places',
    setup({ onLoad }) {
      onLoad({ filter: /\.js$/ }, ({ path }) => {
        if (!path.startsWith(dist)) return undefined;
        const there = (place) => `require('node:path').join(__dirname, '${relative(dirname(outfile), place)}')`;
        const contents = readFileSync(path, 'utf8')
          .replaceAll('import.meta.dirname', there(dirname(path)))
          .replaceAll('import.meta.url', `require('node:url').pathToFileURL(${there(path)}).href`);
        return { contents };
      });
    },
  };
}

/** @param folder in which `dist` is; this project's by default */
export async function bundleBroker(folder = root) {
  const home = realpathSync(folder);
  const dist = join(home, 'dist/');
  const outfile = join(dist, 'apps/broker/broker.cjs');
  await build({
    absWorkingDir: home,
    entryPoints: [join(dist, 'apps/broker/src/broker.js')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20.19',
    // What Nest logs and stacks show are names of classes and functions.
    keepNames: true,
    external: STAY_FILES,
    // Modules of ES are strict, and only the first words of a script can say so.
    banner: { js: "'use strict'; const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
    define: { 'import.meta.url': 'bundleUrl', 'import.meta.resolve': 'require.resolve' },
    plugins: [shippedOnly, ownPlaces(dist, outfile)],
    logLevel: 'warning',
  });
  // Its process would live on beside the demo.
  await stop();
}

if (process.argv[1] === import.meta.filename) await bundleBroker(process.argv[2]);

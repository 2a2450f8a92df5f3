import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from '../support/processes.js';

/** What the broker runs, and is shipped: one file of ours and of packages. */
const bundle = readFileSync(join(root, 'dist/apps/broker/broker.cjs'), 'utf8');

interface Locked {
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
}

const { packages }: { packages: Record<string, Locked> } = JSON.parse(
  readFileSync(join(root, 'package-lock.json'), 'utf8'),
);

/** Where each file of it came from, as esbuild notes it. */
function sources(): string[] {
  return [...bundle.matchAll(/^\s*\/\/ ((?:node_modules|dist)\/\S+)$/gm)].map(([, path]) => path!);
}

function isShipped(place: string): boolean {
  const { dev, optional, devOptional } = packages[place] ?? { dev: true };
  return !dev && !optional && !devOptional;
}

it('holds packages that are shipped, and no other', () => {
  const places = sources().flatMap(
    (path) => /^node_modules\/.*(?<=node_modules\/)(@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? [],
  );
  expect(new Set(places).size).toBeGreaterThan(50);
  expect(places).toEqual(expect.arrayContaining(['node_modules/fastify', 'node_modules/@nestjs/core']));
  expect(places.filter((place) => !isShipped(place))).toEqual([]);
});

it('holds what is ours, of the broker alone', () => {
  const ours = sources().filter((path) => path.startsWith('dist/'));
  expect(ours).toEqual(
    expect.arrayContaining(['dist/apps/broker/src/broker.js', 'dist/libs/token/src/token-broker.js']),
  );
  expect(ours.filter((path) => !/^dist\/(libs|apps\/broker)\//.test(path))).toEqual([]);
});

it('leaves outside what looks for files beside itself', () => {
  expect(bundle).toMatch(/require\("fs-native-extensions"\)/);
  expect(bundle).toMatch(/require\("pino"\)/);
});

it('is strict, as modules are, and knows where it is', () => {
  expect(bundle).toMatch(/^'use strict';/);
  // What esbuild puts in the place of a member of import.meta that it does not know; in Terminus' check of gRPC.
  expect(bundle.match(/\bimport_meta\d*\.\w+/g)).toEqual(['import_meta.dirname']);
});

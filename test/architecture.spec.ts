import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

import ts from 'typescript';

import { allRoutes } from './support/routes.js';

const root = join(import.meta.dirname, '..');
const MOST_LINES = 300;

/** Which rooms each room may import from, besides itself and packages. */
const ARROWS: Readonly<Record<string, readonly string[]>> = {
  'libs/audit': [],
  'libs/cluster': [],
  'libs/token': [],
  'libs/vault': [],
  'libs/redis': ['libs/cluster', 'libs/token', 'libs/vault'],
  'apps/sandbox': [],
  'apps/demo': [],
  'apps/cli': ['libs/audit', 'libs/vault'],
  // In the browser: it knows the shape of what the broker tells.
  'apps/dashboard': ['libs/cluster'],
  'broker/config': ['libs/token', 'libs/vault', 'libs/redis'],
  'broker/log': ['broker/config'],
  'broker/tracing': ['libs/token'],
  'broker/http': ['libs/token', 'libs/vault', 'broker/config', 'broker/tracing'],
  'broker/audit': ['libs/audit', 'libs/vault', 'broker/config', 'broker/http'],
  'broker/redis': ['libs/token', 'libs/redis', 'broker/config'],
  'broker/upstream': ['libs/token', 'libs/vault', 'broker/config', 'broker/tracing'],
  'broker/vault': [
    'libs/token',
    'libs/vault',
    'libs/redis',
    ...['audit', 'config', 'http', 'redis', 'tracing', 'upstream'].map((room) => `broker/${room}`),
  ],
  'broker/access': ['libs/token', 'libs/vault', 'broker/audit', 'broker/config', 'broker/http', 'broker/vault'],
  'broker/token': [
    'libs/token',
    'libs/vault',
    'libs/redis',
    ...['access', 'audit', 'config', 'http', 'redis', 'tracing', 'upstream', 'vault'].map((room) => `broker/${room}`),
  ],
  'broker/health': [
    'libs/redis',
    'libs/token',
    'libs/vault',
    ...['audit', 'config', 'http', 'redis', 'token', 'upstream', 'vault'].map((room) => `broker/${room}`),
  ],
  'broker/status': [
    'libs/cluster',
    'libs/redis',
    'libs/token',
    'libs/vault',
    ...['access', 'audit', 'config', 'http', 'redis', 'token', 'upstream', 'vault'].map((room) => `broker/${room}`),
  ],
  'broker/docs': ['broker/http'],
  'broker/dashboard': ['libs/vault', ...['access', 'audit', 'config', 'http'].map((room) => `broker/${room}`)],
  // What puts the rooms together: the entry and the module list.
  'broker/.': [
    'libs/token',
    'libs/vault',
    ...[
      'access',
      'audit',
      'config',
      'dashboard',
      'docs',
      'health',
      'http',
      'log',
      'redis',
      'status',
      'token',
      'tracing',
      'vault',
    ].map((room) => `broker/${room}`),
  ],
};

const CORE_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  'libs/audit': [],
  'libs/cluster': [],
  'libs/token': [],
  'libs/vault': ['@zip.js/zip.js', 'csv-parse/sync', 'fs-native-extensions', 'jose'],
  'libs/redis': ['cluster-key-slot', 'ioredis'],
};

/** A whole import from a lib, over several lines or not. */
const LIB_IMPORT = /import [^;]*?from '#\w+'/g;

interface Source {
  readonly path: string;
  readonly room: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const sources: Source[] = ['apps', 'libs']
  .flatMap((top) => readdirSync(join(root, top), { recursive: true, encoding: 'utf8' }).map((path) => join(top, path)))
  .filter((path) => /\.tsx?$/.test(path) && !path.endsWith('.d.ts'))
  .map((path) => {
    const text = readFileSync(join(root, path), 'utf8');
    return { path, text, room: roomOf(path), imports: ts.preProcessFile(text).importedFiles.map((f) => f.fileName) };
  });
const shipped = sources.filter(({ path }) => !path.endsWith('.spec.ts'));

/** `apps/broker/src/token/x.ts` is of the room `broker/token`, `libs/vault/src/x.ts` of `libs/vault`. */
function roomOf(path: string): string {
  const [top, app, , room] = path.split('/');
  if (app !== 'broker') return `${top}/${app}`;
  return `broker/${room?.includes('.') ? '.' : room}`;
}

/** The room that an import leads to; undefined for a package. */
function importedRoom({ path }: Source, name: string): string | undefined {
  if (name.startsWith('#')) return `libs/${name.slice(1)}`;
  return name.startsWith('.') ? roomOf(relative(root, resolve(root, dirname(path), name))) : undefined;
}

it('sees the sources', () => {
  expect(shipped.length).toBeGreaterThan(50);
  expect(new Set(shipped.map(({ room }) => room))).toEqual(new Set(Object.keys(ARROWS)));
});

it('no room imports from one that it may not', () => {
  const strays = shipped.flatMap((source) =>
    source.imports.flatMap((name) => {
      const to = importedRoom(source, name);
      return to === undefined || to === source.room || ARROWS[source.room]!.includes(to)
        ? []
        : [`${source.path} imports ${name}`];
    }),
  );
  expect(strays).toEqual([]);
});

it('the dashboard takes types from the libs and no code', () => {
  const ofLibs = shipped
    .filter(({ room }) => room === 'apps/dashboard')
    .flatMap(({ text }) => text.match(LIB_IMPORT) ?? []);
  expect(ofLibs.length).toBeGreaterThan(0);
  expect(ofLibs.filter((each) => !each.startsWith('import type'))).toEqual([]);
});

it('the core uses no package but what its work is made of', () => {
  const strays = shipped.flatMap(({ path, room, imports }) => {
    const allowed = CORE_PACKAGES[room];
    return (allowed ? imports : [])
      .filter((name) => !/^(node:|[.#])/.test(name) && !allowed?.includes(name))
      .map((name) => `${path} imports ${name}`);
  });
  expect(strays).toEqual([]);
});

it('the core reads no clock, no dice and no environment: they are passed in', () => {
  const ambient = /process\.env|Date\.now\b|new Date\(\)|performance\.now|Math\.random|setTimeout|setInterval/;
  const strays = shipped.filter(({ room, text }) => room.startsWith('libs/') && ambient.test(text));
  // The one exception waits for another process to let go of a file.
  expect(strays.map(({ path }) => path)).toEqual(['libs/vault/src/file-vault-store.ts']);
});

it('the broker reads its environment in one place, and so does the health check of the image', () => {
  const readers = shipped.filter(({ room, text }) => room.startsWith('broker/') && text.includes('process.env'));
  // It is a process of its own, and loads next to nothing.
  expect(new Set(readers.map(({ path }) => path))).toEqual(
    new Set(['apps/broker/src/config/config.module.ts', 'apps/broker/src/healthcheck.ts']),
  );
  expect(shipped.find(({ path }) => path === 'apps/broker/src/healthcheck.ts')?.imports).toEqual([
    'node:http',
    'node:https',
    './config/given-settings.js',
  ]);
});

it('an AxiosError is known in one file', () => {
  const users = shipped.filter(({ imports }) => imports.some((name) => name === 'axios'));
  expect(users.map(({ path }) => path)).toEqual(['apps/broker/src/upstream/grants.ts']);
});

it('every route is a controller’s, and says whom it serves', async () => {
  const routes = await allRoutes();
  expect(routes.length).toBeGreaterThan(20);
  expect(routes.filter(({ access }) => !access)).toEqual([]);
  const beside = shipped.filter(
    ({ room, text }) => room.startsWith('broker/') && /\.(route|get|post|put|patch|delete|all)\(\s*['"`]\//.test(text),
  );
  expect(beside.map(({ path }) => path)).toEqual([]);
});

it('no file holds more than one thing for long', () => {
  const long = sources.filter(({ text }) => text.split('\n').length - 1 > MOST_LINES);
  expect(long.map(({ path }) => path)).toEqual([]);
});

import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

import { unpacked } from '../debian-packages.js';

const run = promisify(execFile);
const cache = resolve('.cache');
const source = join(import.meta.dirname, 'render.go');
const BUILD_LIMIT_MS = 180_000;

/** Go, in whichever version this Debian has, and the libraries that Helm renders with. */
const PACKAGES = [
  '?reverse-depends(?exact-name(golang-go))',
  '?reverse-depends(?exact-name(golang-src))',
  ...[
    'google-uuid',
    'huandu-xstrings',
    'imdario-mergo',
    'masterminds-goutils',
    'masterminds-semver',
    'masterminds-sprig',
    'mitchellh-copystructure',
    'mitchellh-reflectwalk',
    'shopspring-decimal',
    'spf13-cast',
  ].map((name) => `golang-github-${name}-dev`),
  'golang-golang-x-crypto-dev',
  'golang-gopkg-yaml.v2-dev',
  'golang-gopkg-yaml.v3-dev',
  'golang-k8s-sigs-yaml-dev',
];

let built: Promise<string> | undefined;

/** What each template of a chart gives, by its file's name: see `render.go`.
 *  @throws Error what Go's templates or the chart's own checks say */
export async function renderTemplates(order: {
  chart: string;
  values: object;
  objects: object;
}): Promise<Record<string, string>> {
  built ??= build().catch((error: unknown) => {
    throw new Error(
      'These tests need Helm: put it on the PATH (https://helm.sh/docs/intro/install/). On Debian and Ubuntu they build ' +
        'what they need of it with Debian’s packages, which failed.',
      { cause: error },
    );
  });
  const renderer = spawn(await built, { stdio: ['pipe', 'pipe', 'pipe'] });
  const [out, err] = [renderer.stdout, renderer.stderr].map((stream) => stream.setEncoding('utf8').toArray());
  renderer.stdin.end(JSON.stringify(order));
  const [code] = (await once(renderer, 'close')) as [number | null];
  const [rendered, said] = [(await out!).join(''), (await err!).join('')];
  if (code !== 0) throw new Error(said.trim());
  return JSON.parse(rendered) as Record<string, string>;
}

/** Builds the renderer, once for each state of its source.
 *  @returns the program */
async function build(): Promise<string> {
  const state = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16);
  const program = join(cache, `chart-renderer-${state}`);
  if (existsSync(program)) return program;
  const { root } = await unpacked('go', PACKAGES);
  const go = join(root, 'usr/lib', (await readdir(join(root, 'usr/lib'))).find((each) => each.startsWith('go-')) ?? '');
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'build-'));
  try {
    await run(join(go, 'bin/go'), ['build', '-o', join(work, 'renderer'), source], {
      cwd: work,
      env: {
        PATH: process.env['PATH'],
        GOROOT: go,
        GOPATH: join(root, 'usr/share/gocode'),
        GOCACHE: join(work, 'cache'),
        GO111MODULE: 'off',
        GOTOOLCHAIN: 'local',
        GOFLAGS: '',
        GOENV: 'off',
        CGO_ENABLED: '0',
      },
      timeout: BUILD_LIMIT_MS,
    });
    // Another test process may have been quicker: it is the same program.
    await rename(join(work, 'renderer'), program);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return program;
}

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { access, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Of the project, from whose folder tests and benchmarks are run. */
const cache = resolve('.cache');
const FETCH_LIMIT_MS = 180_000;
const underWay = new Map<string, Promise<void>>();

export interface Unpacked {
  readonly root: string;
  /** The folder of its shared libraries, such as `usr/lib/x86_64-linux-gnu`. */
  readonly libraries: string;
}

/** Debian's packages, fetched once and unpacked into `.cache/<name>` without touching the system or needing root.
 *  @param depth whether to fetch what they depend on and this system lacks
 *  @throws Error whatever apt or dpkg said, where they are not to be had */
export async function unpacked(
  name: string,
  packages: readonly string[],
  depth: 'alone' | 'with dependencies' = 'alone',
): Promise<Unpacked> {
  const root = join(cache, name);
  if (!existsSync(root)) {
    const fetching = underWay.get(name) ?? fetchInto(root, packages, depth);
    underWay.set(name, fetching);
    await fetching;
  }
  const libraries = join(root, 'usr/lib');
  // A package of programs alone has none.
  const folders = existsSync(libraries) ? await readdir(libraries) : [];
  const triplet = folders.find((folder) => folder.includes('linux'));
  return { root, libraries: join(libraries, triplet ?? '') };
}

async function fetchInto(target: string, packages: readonly string[], depth: string): Promise<void> {
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(join(cache, 'fetch-'));
  const apt = (...args: string[]) =>
    run('apt-get', [`-oDir::State=${work}/state`, '-oDir::State::status=/var/lib/dpkg/status', ...args], {
      cwd: work,
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      timeout: FETCH_LIMIT_MS,
    });
  try {
    await Promise.all(
      ['state/lists/partial', 'cache/archives/partial'].map((f) => mkdir(join(work, f), { recursive: true })),
    );
    const own = [`-oDir::Cache=${work}/cache`, '-oDebug::NoLocking=1', '-oAPT::Sandbox::User='];
    process.stderr.write(`Fetching ${packages.join(', ')} for the tests, once …\n`);
    await apt(...own, 'update');
    const archives = depth === 'alone' ? work : join(work, 'cache/archives');
    const fetch = depth === 'alone' ? ['download'] : ['install', '--download-only', '-y', '--no-install-recommends'];
    await apt(...own, ...fetch, ...packages);
    for (const file of (await readdir(archives)).filter((each) => each.endsWith('.deb'))) {
      await run('dpkg', ['-x', join(archives, file), 'root'], { cwd: work });
    }
    await rename(join(work, 'root'), target).catch((error: unknown) => {
      // Another test process was quicker.
      if (!existsSync(target)) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

export async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

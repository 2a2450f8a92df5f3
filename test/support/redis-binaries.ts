import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { access, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const cache = join(import.meta.dirname, '../../.cache');
const PACKAGES = ['redis-server', 'redis-tools', 'redis-sentinel', 'liblzf1', 'libjemalloc2'];
const FETCH_LIMIT_MS = 180_000;

export interface RedisBinaries {
  readonly server: string;
  /** What the environment needs for it to start. */
  readonly env: NodeJS.ProcessEnv;
}

/** Redis from the PATH; else Debian's packages, unpacked into `.cache` without touching the system or needing root.
 *  @throws Error how to install it, where neither is to be had */
export async function findRedis(path = process.env['PATH'] ?? ''): Promise<RedisBinaries> {
  for (const folder of path.split(delimiter)) {
    const server = join(folder, 'redis-server');
    if (folder !== '' && (await isExecutable(server))) return { server, env: {} };
  }
  const unpacked = join(cache, 'redis');
  if (!existsSync(unpacked)) await fetchInto(unpacked);
  const libraries = join(unpacked, 'usr/lib');
  const triplet = (await readdir(libraries)).find((name) => name.includes('linux'));
  return {
    server: join(unpacked, 'usr/bin/redis-server'),
    env: { LD_LIBRARY_PATH: join(libraries, triplet ?? '') },
  };
}

async function fetchInto(target: string): Promise<void> {
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
    process.stderr.write('Fetching Redis for the tests, once …\n');
    await apt(...own, 'update');
    await apt(...own, 'download', ...PACKAGES);
    for (const file of (await readdir(work)).filter((name) => name.endsWith('.deb'))) {
      await run('dpkg', ['-x', file, 'root'], { cwd: work });
    }
    await rename(join(work, 'root'), target).catch((error: unknown) => {
      // Another test process was quicker.
      if (!existsSync(target)) throw error;
    });
  } catch (error) {
    throw new Error(
      'These tests need a redis-server: put one on the PATH (https://redis.io/docs/latest/operate/oss_and_stack/install/). ' +
        'On Debian and Ubuntu they fetch it themselves, which failed.',
      { cause: error },
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

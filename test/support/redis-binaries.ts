import { delimiter, join } from 'node:path';

import { isExecutable, unpacked } from './debian-packages.js';

const PACKAGES = ['redis-server', 'redis-tools', 'redis-sentinel', 'liblzf1', 'libjemalloc2'];

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
  try {
    const { root, libraries } = await unpacked('redis', PACKAGES);
    return { server: join(root, 'usr/bin/redis-server'), env: { LD_LIBRARY_PATH: libraries } };
  } catch (error) {
    throw new Error(
      'These tests need a redis-server: put one on the PATH (https://redis.io/docs/latest/operate/oss_and_stack/install/). ' +
        'On Debian and Ubuntu they fetch it themselves, which failed.',
      { cause: error },
    );
  }
}

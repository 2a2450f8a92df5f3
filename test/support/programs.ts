import { delimiter, dirname, join } from 'node:path';

import { isExecutable, unpacked } from './debian-packages.js';
import { findRedis } from './redis-binaries.js';

/** Programs that the operations guide uses and that a machine may lack, with Debian's packages. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  kubectl: ['kubernetes-client'],
  jq: ['jq', 'libjq1', 'libonig5'],
};

/** An environment in which `kubectl`, `jq`, `redis-cli` and this Node are found: on the PATH, else from Debian's packages,
 *  unpacked into `.cache` without touching the system or needing root. */
export async function withPrograms(path = process.env['PATH'] ?? ''): Promise<NodeJS.ProcessEnv> {
  const redis = await findRedis(path);
  const folders = [dirname(process.execPath), dirname(redis.server)];
  const libraries = [redis.env['LD_LIBRARY_PATH'] ?? ''];
  for (const [name, packages] of Object.entries(PACKAGES)) {
    if (await isOn(path, name)) continue;
    const found = await unpacked(name, packages);
    folders.push(join(found.root, 'usr/bin'));
    libraries.push(found.libraries);
  }
  return {
    PATH: [...folders, path].join(delimiter),
    LD_LIBRARY_PATH: libraries.filter((each) => each !== '').join(delimiter),
  };
}

async function isOn(path: string, name: string): Promise<boolean> {
  for (const folder of path.split(delimiter)) {
    if (folder !== '' && (await isExecutable(join(folder, name)))) return true;
  }
  return false;
}

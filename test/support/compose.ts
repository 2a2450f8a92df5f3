import { execFile } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

import { isExecutable, unpacked } from './debian-packages.js';
import { root } from './processes.js';

const run = promisify(execFile);

interface Program {
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** Docker Compose's own opinion of a file in the project: what it makes of it, as YAML. Needs no engine.
 *  @throws Error with what it does not like */
export async function composeConfig(path: string, ...options: readonly string[]): Promise<string> {
  const { command, env } = await findCompose();
  const [file = '', ...args] = command;
  const { stdout } = await run(file, [...args, '-f', path, ...options, 'config'], {
    cwd: root,
    env: { ...process.env, ...env },
  });
  return stdout;
}

/** Docker's plug-in or `docker-compose` from the PATH; else Debian's package, unpacked into `.cache` without touching the
 *  system or needing root.
 *  @throws Error how to install it, where neither is to be had */
async function findCompose(path = process.env['PATH'] ?? ''): Promise<Program> {
  const hasPlugin = await run('docker', ['compose', 'version']).then(
    () => true,
    () => false,
  );
  if (hasPlugin) return { command: ['docker', 'compose'], env: {} };
  for (const folder of path.split(delimiter)) {
    const file = join(folder, 'docker-compose');
    if (folder !== '' && (await isExecutable(file))) return { command: [file], env: {} };
  }
  try {
    const { root: folder } = await unpacked('docker-compose', ['docker-compose'], 'with dependencies');
    const env = { PYTHONPATH: join(folder, 'usr/lib/python3/dist-packages') };
    return { command: [join(folder, 'usr/bin/docker-compose')], env };
  } catch (error) {
    throw new Error(
      'These tests need Docker Compose: put it on the PATH (https://docs.docker.com/compose/install/). ' +
        'On Debian and Ubuntu they fetch it themselves, which failed.',
      { cause: error },
    );
  }
}

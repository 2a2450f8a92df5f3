import { execFile } from 'node:child_process';
import { join } from 'node:path';

import { root } from './processes.js';

export interface Checked {
  readonly code: number;
  readonly said: string;
}

/** Runs the health check of the image.
 *  @param env the broker's settings: all of its environment */
export function checkHealth(
  env: Record<string, string>,
  command: readonly string[] = [process.execPath, join(root, 'dist/apps/broker/src/healthcheck.js')],
  cwd = root,
): Promise<Checked> {
  const [program = '', ...args] = command;
  return new Promise((resolve) => {
    const child = execFile(program, args, { cwd, env }, (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, said: `${stdout}${stderr}` }),
    );
  });
}

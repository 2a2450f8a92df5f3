import { delimiter, join } from 'node:path';

import { isExecutable, unpacked } from './debian-packages.js';

/** The path of promtool: see `found`. */
export function promtool(path?: string): Promise<string> {
  return found('promtool', path);
}

/** The path of the Prometheus server: see `found`. */
export function prometheus(path?: string): Promise<string> {
  return found('prometheus', path);
}

/** From the PATH; else Debian's package, unpacked into `.cache` without touching the system or needing root. Written in
 *  Go: it needs no library beside it.
 *  @throws Error how to install it, where neither is to be had */
async function found(name: string, path = process.env['PATH'] ?? ''): Promise<string> {
  for (const folder of path.split(delimiter)) {
    const file = join(folder, name);
    if (folder !== '' && (await isExecutable(file))) return file;
  }
  try {
    const { root } = await unpacked('prometheus', ['prometheus']);
    return join(root, 'usr/bin', name);
  } catch (error) {
    throw new Error(
      `These tests need ${name}: put Prometheus on the PATH (https://prometheus.io/docs/prometheus/latest/installation/). ` +
        'On Debian and Ubuntu they fetch it themselves, which failed.',
      { cause: error },
    );
  }
}

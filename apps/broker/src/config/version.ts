import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Of this program, as package.json has it, which lies above the sources as well as above what is built of them. */
export const VERSION = versionAbove(import.meta.dirname);

function versionAbove(folder: string): string {
  const path = join(folder, 'package.json');
  if (!existsSync(path)) return folder === dirname(folder) ? 'unknown' : versionAbove(dirname(folder));
  const { version } = Object(JSON.parse(readFileSync(path, 'utf8')));
  return typeof version === 'string' ? version : 'unknown';
}

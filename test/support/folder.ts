import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export const scratch = join(import.meta.dirname, '../../.cache/test');
const made: string[] = [];

/** A new empty folder inside the project, removed when the test file ends. */
export function aFolder(): string {
  mkdirSync(scratch, { recursive: true });
  const path = mkdtempSync(join(scratch, 'run-'));
  made.push(path);
  return path;
}

afterAll(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

import { linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** The settings that may be given as `X_FILE`, the path of a file, instead of as `X`. */
export const SECRET_SETTINGS = ['VAULT_KEYS', 'ADMIN_KEY', 'REDIS_URL', 'REDIS_PASSWORD', 'VAULT_REDIS_URL'] as const;

/** The environment with each `X_FILE` read into its `X`. A line break at a file's end is dropped.
 *  @param problems what went wrong is added to it */
export function withSecretFiles(env: NodeJS.ProcessEnv, problems: string[]): NodeJS.ProcessEnv {
  const read = { ...env };
  for (const name of SECRET_SETTINGS) {
    const path = env[`${name}_FILE`];
    if (path === undefined || path === '') continue;
    if (read[name]) problems.push(`${name} and ${name}_FILE must not be set both`);
    else read[name] = readNamed(`${name}_FILE`, path, problems)?.replace(/\r?\n$/, '');
  }
  return read;
}

/** @param name the setting that names the file */
export function readNamed(name: string, path: string, problems: string[]): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    problems.push(`${name} must name a file that can be read (${codeOf(error)})`);
    return undefined;
  }
}

/** A secret of development: made at the first start, kept in a file of mode 0600, the same for all who start at once. */
export function keptSecret(path: string, make: () => string): string {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  try {
    writeFileSync(temporary, `${make()}\n`, { mode: 0o600 });
    // Unlike a rename, a link does not replace what another process has put there meanwhile.
    linkSync(temporary, path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  return readFileSync(path, 'utf8').trim();
}

/** An error's code, such as `ENOENT`: all of it that may be shown. */
export function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : 'unexpected error';
}

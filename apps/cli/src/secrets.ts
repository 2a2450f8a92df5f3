import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';

import { read } from 'read';

import { CliError, EXIT } from './api.js';

/**
 * A secret, from wherever a person or a script keeps it, and never from the command line, which everybody on the machine
 * can see: a file, standard input (`-`), or a prompt that shows nothing.
 * @param file as given with an option such as `--password-file`
 */
export async function secretFrom(file: string | undefined, prompt: string): Promise<string> {
  if (file !== undefined) return secretIn(file);
  if (!process.stdin.isTTY) {
    throw new CliError(`${prompt}: no terminal to ask on; give a file, or - for standard input`, EXIT.usage);
  }
  // To standard error, so that the output can be piped.
  return read({ prompt: `${prompt}: `, silent: true, output: process.stderr });
}

/** The caller key: from a file, the environment, or what `npm start` has left in the working directory. */
export async function callerKey(file: string | undefined): Promise<string | undefined> {
  const { TOKEN_BROKER_KEY } = process.env;
  const key =
    file !== undefined
      ? await secretIn(file)
      : TOKEN_BROKER_KEY || (await readFile('data/admin.key', 'utf8').then(firstLine, () => undefined));
  if (key !== undefined && !/^[\x21-\x7e]+$/.test(key)) {
    throw new CliError('the caller key must be visible ASCII characters without a space', EXIT.usage);
  }
  return key;
}

export async function fileBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return Uint8Array.from(await readFile(path));
  } catch (error) {
    throw new CliError(`${path} cannot be read (${codeOf(error)})`, EXIT.usage);
  }
}

/** Does not repeat the name of a file that is not there: it may be the secret itself, given by mistake. */
async function secretIn(file: string): Promise<string> {
  if (file === '-') return firstLine(await text(process.stdin));
  try {
    return firstLine(await readFile(file, 'utf8'));
  } catch (error) {
    throw new CliError(`the file with the secret cannot be read (${codeOf(error)})`, EXIT.usage);
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unexpected error';
}

function firstLine(content: string): string {
  return content.split(/\r?\n/, 1)[0] ?? '';
}

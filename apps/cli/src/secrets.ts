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
  if (file !== undefined) return firstLine(file === '-' ? await text(process.stdin) : await fileText(file));
  if (!process.stdin.isTTY) {
    throw new CliError(`${prompt}: no terminal to ask on; give a file, or - for standard input`, EXIT.usage);
  }
  // To standard error, so that the output can be piped.
  return read({ prompt: `${prompt}: `, silent: true, output: process.stderr });
}

/** The caller key: from a file, the environment, or what `npm start` has left in the working directory. */
export async function callerKey(file: string | undefined): Promise<string | undefined> {
  if (file !== undefined) return firstLine(file === '-' ? await text(process.stdin) : await fileText(file));
  const { TOKEN_BROKER_KEY } = process.env;
  if (TOKEN_BROKER_KEY) return TOKEN_BROKER_KEY;
  return readFile('data/admin.key', 'utf8').then(firstLine, () => undefined);
}

export async function fileBytes(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return Uint8Array.from(await readFile(path));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unexpected error';
    throw new CliError(`${path} cannot be read (${code})`, EXIT.usage);
  }
}

async function fileText(path: string): Promise<string> {
  return Buffer.from(await fileBytes(path)).toString();
}

function firstLine(content: string): string {
  return content.split(/\r?\n/, 1)[0] ?? '';
}

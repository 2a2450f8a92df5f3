import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

import { parse } from 'dotenv';

import { ConfigError } from './broker-config.js';
import { codeOf, readNamed } from './secrets.js';

/** Where settings come from: the environment that the process was started with, and a file, whose lines count where that
 *  says nothing. An empty variable says nothing. */
export class GivenSettings {
  /** `SETTINGS_FILE`, which only the environment can say. */
  readonly path: string;
  /** It holds secrets, and so is shown to nobody. */
  readonly #env: NodeJS.ProcessEnv;
  readonly #mustBeThere: boolean;

  constructor(env: NodeJS.ProcessEnv) {
    const { SETTINGS_FILE = '.env', ...others } = withoutEmpty(env);
    this.path = SETTINGS_FILE;
    this.#env = { ...others, SETTINGS_FILE };
    this.#mustBeThere = Boolean(env['SETTINGS_FILE']);
  }

  /** @throws ConfigError if the file cannot be read */
  read(): NodeJS.ProcessEnv {
    const problems: string[] = [];
    const isThere = this.#mustBeThere || existsSync(this.path);
    const text = isThere ? readNamed('SETTINGS_FILE', this.path, problems) : '';
    if (text === undefined) throw new ConfigError(problems);
    return this.#with(text);
  }

  /** A fingerprint of what the files hold now that are worth looking at again and again. */
  async look(): Promise<string> {
    const text = await contentOf(this.path);
    const { VAULT_KEYS_FILE, CALLER_JWT_ISSUERS_FILE } = this.#with(text);
    const others = await Promise.all([VAULT_KEYS_FILE, CALLER_JWT_ISSUERS_FILE].map(contentOf));
    return hash('sha256', JSON.stringify([text, ...others]), 'base64');
  }

  #with(text: string): NodeJS.ProcessEnv {
    return { ...parse(text), ...this.#env };
  }
}

function withoutEmpty(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
}

/** @returns why it cannot be read, if it cannot */
async function contentOf(path = ''): Promise<string> {
  return path === '' ? '' : readFile(path, 'utf8').catch(codeOf);
}

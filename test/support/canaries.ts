import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Every way in which a secret could stand in a text, by name. */
export function formsOf(secret: string): Map<string, string> {
  const bytes = Buffer.from(secret);
  const forms = new Map([
    ['plain', secret],
    ['JSON', JSON.stringify(secret).slice(1, -1)],
    ['form-encoded', new URLSearchParams({ '': secret }).toString().slice(1)],
    ['URL-encoded', encodeURIComponent(secret)],
    ['hex', bytes.toString('hex')],
    ['HEX', bytes.toString('hex').toUpperCase()],
    ['bytes as numbers', bytes.toJSON().data.join(',')],
    ['UTF-8 taken for Latin-1', bytes.toString('latin1')],
  ]);
  // Inside of a longer text, such as "id:secret", base64 has one of three alignments.
  for (const before of [0, 1, 2]) {
    const base64 = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    const whole = base64.slice(Math.ceil((before * 4) / 3), Math.floor(((before + bytes.length) * 4) / 3));
    forms.set(`base64 behind ${before}`, whole);
    forms.set(`base64url behind ${before}`, whole.replaceAll('+', '-').replaceAll('/', '_'));
  }
  return forms;
}

/** Secrets that must not be seen, by name. */
export class Canaries {
  readonly #forms: { readonly what: string; readonly form: string }[] = [];

  add(name: string, secret: string): void {
    if (secret.length < 16) throw new Error(`${name} is too short to be told from chance`);
    for (const [way, form] of formsOf(secret)) this.#forms.push({ what: `${name}, ${way}`, form });
  }

  /** @returns what was found, by name; empty if all is well */
  in(text: string): string[] {
    return this.#forms.filter(({ form }) => text.includes(form)).map(({ what }) => what);
  }

  /** The same for every file under a folder, by the file's name too. */
  inFiles(folder: string): string[] {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .flatMap(({ parentPath, name }) => {
        const path = join(parentPath, name);
        return this.in(`${path} ${readFileSync(path, 'utf8')}`).map((what) => `${path}: ${what}`);
      });
  }
}

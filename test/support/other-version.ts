import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { aFolder } from './folder.js';
import { root } from './processes.js';

/** What a version makes of a form: the number that it writes, and the newest that it reads. */
export interface OtherFormat {
  readonly writes: number;
  readonly reads: number;
}

/** Which forms are other ones: of vault records, of tokens and of sessions. */
export type OtherFormats = Partial<Record<'records' | 'token' | 'session', OtherFormat>>;

/** Where each stands in `libs/vault/src/formats.ts`, as it is built. */
const PLACES: Readonly<Record<keyof OtherFormats, RegExp>> = {
  records: /(?<=const RECORDS = )\{[^}]*\}/,
  token: /(?<=token: )\{[^}]*\}/,
  session: /(?<=session: )\{[^}]*\}/,
};

/** Another version of the broker: what is built, copied, with other numbers of its forms and another version number. In
 *  all else it is this one, so that a form of it holds what ours does.
 *  @returns the folder to start it from */
export function otherVersion(version: string, formats: OtherFormats): string {
  const folder = aFolder();
  cpSync(join(root, 'dist'), join(folder, 'dist'), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const manifest: object = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ ...manifest, version }));
  const path = join(folder, 'dist/libs/vault/src/formats.js');
  let code = readFileSync(path, 'utf8');
  for (const [name, format] of Object.entries(formats)) {
    const place = PLACES[name as keyof OtherFormats];
    if (!place.test(code)) throw new Error(`there is no format of ${name} in ${path}`);
    code = code.replace(place, JSON.stringify(format));
  }
  writeFileSync(path, code);
  execFileSync(process.execPath, [join(root, 'scripts/bundle-broker.mjs'), folder]);
  return folder;
}

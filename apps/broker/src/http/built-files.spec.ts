import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import { aFolder } from '../../../../test/support/folder.js';
import { BuiltFiles } from './built-files.js';

const SCRIPT = 'x'.repeat(1_000);

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = aFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

it('holds what was built, compressed where that is smaller', async () => {
  const files = new BuiltFiles(folderWith({ 'index.html': '<p>', 'main-A.js': SCRIPT, 'dot-B.png': SCRIPT }));
  expect(files.missing).toBeUndefined();
  expect(files.page).toMatchObject({ type: 'text/html; charset=utf-8', body: Buffer.from('<p>') });
  expect(await files.page?.gzip()).toBeUndefined();
  const script = files.find('main-A.js');
  expect(script?.type).toBe('text/javascript; charset=utf-8');
  expect(gunzipSync((await script?.gzip()) ?? '').toString()).toBe(SCRIPT);
  expect(files.find('dot-B.png')).toMatchObject({ type: 'image/png' });
  expect(await files.find('dot-B.png')?.gzip()).toBeUndefined();
});

it('gives what differs another tag, and what does not the same', () => {
  const [one, two] = ['one', 'two'].map((text) => new BuiltFiles(folderWith({ 'index.html': text })));
  expect(one?.page?.etag).not.toBe(two?.page?.etag);
  expect(new BuiltFiles(folderWith({ 'index.html': 'one' })).page?.etag).toBe(one?.page?.etag);
});

it('knows nothing of other kinds of files, of the page by its file’s name, or of what lies deeper or elsewhere', () => {
  const folder = folderWith({ 'index.html': '<p>', 'main-A.js.map': '{}', '.env': 'X=1' });
  mkdirSync(join(folder, 'deeper'));
  writeFileSync(join(folder, 'deeper/main-C.js'), SCRIPT);
  const files = new BuiltFiles(folder);
  const names = ['index.html', 'main-A.js.map', '.env', 'deeper', 'deeper/main-C.js', '../x.js', '', '__proto__'];
  expect(names.map((name) => files.find(name))).toEqual(names.map(() => undefined));
});

it('says why there is nothing', () => {
  const files = new BuiltFiles(join(aFolder(), 'nowhere'));
  expect([files.page, files.missing]).toEqual([undefined, 'ENOENT']);
});

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';

import { aFolder } from '../../../../test/support/folder.js';
import { GivenSettings } from './given-settings.js';

/** A settings file, and the settings of a process that was started with it. */
function given(text: string, env: NodeJS.ProcessEnv = {}) {
  const path = join(aFolder(), 'settings');
  writeFileSync(path, text);
  return { path, settings: new GivenSettings({ SETTINGS_FILE: path, ...env }) };
}

describe('a line of the settings file', () => {
  it('counts where the environment says nothing, which it does with an empty variable too', () => {
    const { path, settings } = given('LOG_LEVEL=debug\nPORT=1\nHOST="::1" # loopback\n', { PORT: '2', LOG_LEVEL: '' });
    expect(settings.read()).toEqual({ SETTINGS_FILE: path, LOG_LEVEL: 'debug', PORT: '2', HOST: '::1' });
  });

  it('counts as it is now, and no variable that was set later counts', () => {
    const env: NodeJS.ProcessEnv = { PORT: '2' };
    const { path, settings } = given('LOG_LEVEL=debug', env);
    env['LOG_LEVEL'] = 'fatal';
    writeFileSync(path, 'LOG_LEVEL=warn');
    expect(settings.read()).toMatchObject({ LOG_LEVEL: 'warn' });
  });

  it('cannot name another settings file', () => {
    const { path, settings } = given('SETTINGS_FILE=elsewhere');
    expect([settings.path, settings.read()['SETTINGS_FILE']]).toEqual([path, path]);
  });
});

describe('the settings file', () => {
  it('must be there if it is named', () => {
    const { path, settings } = given('');
    rmSync(path);
    const problem = (code: string) => ({ problems: [`SETTINGS_FILE must name a file that can be read (${code})`] });
    expect(() => settings.read()).toThrow(expect.objectContaining(problem('ENOENT')));
    mkdirSync(path);
    expect(() => settings.read()).toThrow(expect.objectContaining(problem('EISDIR')));
  });

  it('is .env by default, which need not be there', () => {
    const before = process.cwd();
    process.chdir(aFolder());
    const settings = new GivenSettings({ SETTINGS_FILE: '', PORT: '2' });
    expect(settings.read()).toEqual({ SETTINGS_FILE: '.env', PORT: '2' });
    writeFileSync('.env', 'PORT=1\nHOST=::1\n');
    expect(settings.read()).toEqual({ SETTINGS_FILE: '.env', PORT: '2', HOST: '::1' });
    process.chdir(before);
  });
});

it('a look tells when that file has changed, or one of two that are named, wherever they are named', async () => {
  const [keys, issuers] = ['keys', 'issuers'].map((name) => join(aFolder(), name)) as [string, string];
  const { path, settings } = given(`VAULT_KEYS_FILE=${keys}`, { CALLER_JWT_ISSUERS_FILE: issuers });
  const seen = [await settings.look()];
  const changes = [
    () => writeFileSync(keys, 'a:1'),
    () => writeFileSync(issuers, '[]'),
    () => writeFileSync(keys, 'a:2'),
    () => writeFileSync(path, `VAULT_KEYS_FILE=${keys}\nLOG_LEVEL=warn`),
    () => rmSync(issuers),
    () => rmSync(path),
  ];
  for (const change of changes) {
    change();
    seen.push(await settings.look());
    expect(await settings.look()).toBe(seen.at(-1));
  }
  expect(new Set(seen).size).toBe(1 + changes.length);
});

it('what is given is shown to nobody', () => {
  const { settings } = given('ADMIN_KEY=canary', { VAULT_KEYS: 'canary' });
  expect(inspect(settings, { depth: 9, showHidden: true }) + JSON.stringify(settings)).not.toContain('canary');
});

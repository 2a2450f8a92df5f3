import 'reflect-metadata';

import { newCallerKey } from '#vault';

import { aFolder } from '../../../../test/support/folder.js';

it('secrets are read once, and leave the environment', async () => {
  const before = process.cwd();
  process.chdir(aFolder());
  process.env['ADMIN_KEY'] = newCallerKey().key.reveal();
  process.env['LOG_LEVEL'] = 'warn';
  const { loadConfig } = await import('./config.module.js');
  const config = loadConfig();
  process.chdir(before);
  expect(config.adminKey?.reveal()).toMatch(/^tbk_/);
  expect(process.env['ADMIN_KEY']).toBeUndefined();
  expect(process.env['LOG_LEVEL']).toBe('warn');
  expect(loadConfig()).toBe(config);
});

import 'reflect-metadata';

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Logger } from '@nestjs/common';

import { KeyRing } from '#vault';

import { aFolder } from '../../../../test/support/folder.js';
import { type BrokerConfig, ConfigError } from './broker-config.js';
import { GivenSettings } from './given-settings.js';
import { readConfig } from './read-config.js';
import { type ReloadablePart, type Reloaded, SettingsReload } from './settings-reload.js';

const CANARY = 'canary-of-an-admin-key-in-the-file';
const RETRIED_AFTER_MS = 10_000;
const realNow = performance.now.bind(performance);
const first = KeyRing.generate('first');

let path: string;
let nowMs: number;
/** Each with the `event` and the rest. */
let logged: Record<string, unknown>[];
let trail: Reloaded[];
/** What was taken over, in its order. */
let taken: BrokerConfig[];
let refusal: ConfigError | undefined;
let defect: TypeError | undefined;
let reload: SettingsReload;

beforeEach(() => {
  nowMs = 1_000;
  performance.now = () => nowMs;
  const line = (message: Record<string, unknown>) => void logged.push(message);
  Logger.overrideLogger({ log: line, warn: line, error: line });
  [logged, trail, taken, refusal, defect] = [[], [], [], undefined, undefined];
  path = join(aFolder(), 'settings');
  write('LOG_LEVEL=warn');
  const given = new GivenSettings({ SETTINGS_FILE: path });
  reload = new SettingsReload(given, readConfig(given.read()));
  const part = (...settings: ReloadablePart['settings']): ReloadablePart => ({
    settings,
    take: (config) => void taken.push(config),
  });
  const ring: ReloadablePart = {
    settings: ['VAULT_KEYS'],
    take: async (config) => {
      if (refusal) throw refusal;
      if (defect) throw defect;
      taken.push(config);
    },
  };
  reload.begin([ring, part('RATE_LIMIT_PER_KEY', 'RATE_LIMIT_PER_CALLER'), part('LOG_LEVEL')], (each) =>
    trail.push(each),
  );
});
afterEach(() => {
  reload.onApplicationShutdown();
  performance.now = realNow;
});

function write(...lines: string[]): void {
  writeFileSync(path, [`VAULT_KEYS=${first}`, `ADMIN_KEY=${CANARY}`, ...lines].join('\n'));
}

/** So many looks at the files. */
async function looks(count = 2): Promise<void> {
  for (let n = 0; n < count; n += 1) await reload.work('file');
}

describe('what has changed in the file', () => {
  it('is taken over once it is the same at two looks, and told by name', async () => {
    await looks();
    write('LOG_LEVEL=debug', 'RATE_LIMIT_PER_KEY=9');
    await looks(1);
    expect(taken).toEqual([]);
    await looks(3);
    expect(taken.map(({ logLevel, limits }) => [logLevel, limits.perKey])).toEqual([
      ['debug', 9],
      ['debug', 9],
    ]);
    const settings = ['RATE_LIMIT_PER_KEY', 'LOG_LEVEL'];
    expect(logged).toEqual([{ event: 'settings_reloaded', by: 'file', settings }]);
    expect(trail).toEqual([{ by: 'file', settings }]);
  });

  it('is not taken over while it still changes from look to look', async () => {
    for (let rate = 1; rate <= 5; rate += 1) {
      write(`RATE_LIMIT_PER_KEY=${rate}`);
      await looks(1);
    }
    expect(taken).toEqual([]);
    await looks(1);
    expect(taken.map(({ limits }) => limits.perKey)).toContain(5);
  });

  it('is taken over at once on a signal, and not once more at the next looks', async () => {
    write('LOG_LEVEL=debug');
    await reload.work('signal');
    expect(logged).toEqual([{ event: 'settings_reloaded', by: 'signal', settings: ['LOG_LEVEL'] }]);
    await looks(4);
    expect([taken.length, logged.length]).toEqual([1, 1]);
  });

  it('is named if it needs a restart, by each signal and each change until it is as before', async () => {
    write('LOG_LEVEL=debug', 'PORT=1', 'REFRESH_AT=0.5');
    await looks(4);
    const waiting = { event: 'settings_need_restart', settings: ['PORT', 'REFRESH_AT'] };
    expect(logged).toEqual([{ event: 'settings_reloaded', by: 'file', settings: ['LOG_LEVEL'] }, waiting]);
    await reload.work('signal');
    expect(logged.slice(2)).toEqual([waiting]);
    write('LOG_LEVEL=debug');
    await looks(4);
    expect(logged).toHaveLength(3);
    expect(trail).toHaveLength(1);
  });

  it('brings master keys by their ids', async () => {
    const second = KeyRing.generate('second');
    writeFileSync(path, `VAULT_KEYS=${second},${first}\nADMIN_KEY=${CANARY}\nLOG_LEVEL=warn`);
    await looks();
    const told = { by: 'file', settings: ['VAULT_KEYS'], master_keys: ['second', 'first'] };
    expect([logged, trail]).toEqual([[{ event: 'settings_reloaded', ...told }], [told]]);
  });
});

describe('nothing changed', () => {
  it('says so to a signal alone', async () => {
    await looks(4);
    expect(logged).toEqual([]);
    await reload.work('signal');
    expect(logged).toEqual([{ event: 'settings_unchanged', by: 'signal' }]);
    expect(trail).toEqual([]);
  });

  it('answers a storm of signals with a few looks, the last of which begins after the last signal', async () => {
    const storm = Array.from({ length: 500 }, () => reload.work('signal'));
    write('LOG_LEVEL=debug');
    await Promise.all([...storm, reload.work('signal')]);
    expect(taken).toHaveLength(1);
    expect(logged.length).toBeLessThan(4);
  });
});

describe('what cannot be used', () => {
  it('changes nothing, is said once, by name and never by value, and is over when it is mended', async () => {
    expect(reload.failing).toBe(false);
    write('LOG_LEVEL=debug', 'RATE_LIMIT_PER_KEY=canary', 'PORT=canary');
    await looks(5);
    nowMs += RETRIED_AFTER_MS;
    await looks(5);
    expect([taken, reload.failing]).toEqual([[], true]);
    const mistake = {
      event: 'settings_unusable',
      by: 'file',
      reason: expect.stringMatching(/^PORT.*; RATE_LIMIT_PER/),
    };
    expect(logged).toEqual([mistake]);
    await reload.work('signal');
    expect(logged.slice(1)).toEqual([{ ...mistake, by: 'signal' }]);
    expect(JSON.stringify(logged)).not.toContain('canary');
    write('LOG_LEVEL=warn');
    await looks();
    expect(logged.slice(2)).toEqual([{ event: 'settings_unchanged', by: 'file' }]);
    expect(reload.failing).toBe(false);
  });

  it('keeps everything else from being taken over as well, and is tried again now and then', async () => {
    refusal = new ConfigError(['VAULT_KEYS: records are sealed under a master key that is missing']);
    writeFileSync(path, `VAULT_KEYS=${KeyRing.generate('other')}\nADMIN_KEY=${CANARY}\nLOG_LEVEL=debug`);
    await looks(4);
    expect([taken, reload.failing, trail]).toEqual([[], true, []]);
    expect(logged).toEqual([{ event: 'settings_unusable', by: 'file', reason: refusal.problems[0] }]);
    refusal = undefined;
    await looks(4);
    expect(taken).toEqual([]);
    nowMs += RETRIED_AFTER_MS;
    await looks(1);
    expect(trail).toEqual([{ by: 'file', settings: ['VAULT_KEYS', 'LOG_LEVEL'], master_keys: ['other'] }]);
    expect(reload.failing).toBe(false);
  });
});

it('says when the settings were last found good', async () => {
  const before = reload.loadedAtMs;
  write('PORT=canary');
  await reload.work('signal');
  expect(reload.loadedAtMs).toBe(before);
  write('LOG_LEVEL=warn');
  await reload.work('signal');
  expect(reload.loadedAtMs).toBeGreaterThanOrEqual(before);
});

it('heeds a signal until it is stopped', () => {
  const heeding = process.listenerCount('SIGHUP');
  expect(heeding).toBeGreaterThan(0);
  reload.onApplicationShutdown();
  expect(process.listenerCount('SIGHUP')).toBe(heeding - 1);
});

it('a defect in the middle of it is a failure that is seen and tried again', async () => {
  await looks();
  defect = new TypeError('a defect');
  write(`VAULT_KEYS=${first},${KeyRing.generate('second')}`, 'LOG_LEVEL=warn', 'RATE_LIMIT_PER_KEY=9');
  await looks(1);
  await expect(reload.work('file')).rejects.toThrow('a defect');
  expect([reload.failing, taken]).toEqual([true, []]);
  defect = undefined;
  nowMs += RETRIED_AFTER_MS;
  await looks(1);
  expect([reload.failing, taken.length]).toEqual([false, 2]);
});

import { Secret, Vault } from '#vault';

import { NOW, openVault, putCaller } from '../../../../test/support/vault.js';
import type { BrokerConfig } from '../config/broker-config.js';
import { Callers } from './callers.js';
import type { JwtCallers } from './jwt-callers.js';

const HOUR_MS = 3_600_000;
const ADMIN_KEY = 'an-admin-key-for-the-tests';

const made: Callers[] = [];
const realNow = Date.now;
let now = NOW;

function callersOf(vault: Vault): Callers {
  const jwts = { authenticate: () => undefined } as unknown as JwtCallers;
  const config: Pick<BrokerConfig, 'adminKey' | 'jwtIssuers'> = { adminKey: new Secret(ADMIN_KEY), jwtIssuers: [] };
  const callers = new Callers(vault, jwts, config as BrokerConfig);
  made.push(callers);
  return callers;
}

beforeEach(() => {
  now = NOW;
  Date.now = () => now;
});
afterEach(() => {
  Date.now = realNow;
  for (const each of made.splice(0)) each.onModuleDestroy();
});

async function twoReplicas() {
  const { store, vault } = await openVault();
  await putCaller(vault, 'shop');
  const { id, key } = await vault.addCallerKey('shop');
  const { vault: other } = await openVault(store);
  return { id, key: key.reveal(), vault, other, ours: callersOf(vault), theirs: callersOf(other) };
}

describe('the last use of a key', () => {
  it('is known at once where it was used, and elsewhere once it was noted', async () => {
    const { id, key, other, ours, theirs } = await twoReplicas();
    expect(ours.lastUseOf(id)).toBeUndefined();
    await ours.authenticate(key);
    expect(ours.lastUseOf(id)).toBe('2026-01-02T03:04:05.000Z');
    expect(theirs.lastUseOf(id)).toBeUndefined();
    await ours.noteUse();
    await other.reload();
    expect(theirs.lastUseOf(id)).toBe('2026-01-02T03:04:05.000Z');
  });

  it('is noted every six hours at the most, by whichever replica is first', async () => {
    const { key, id, vault, other, ours, theirs } = await twoReplicas();
    const version = () => vault.versionOf('caller', 'shop');
    await ours.authenticate(key);
    await ours.noteUse();
    const first = version();
    now += 5 * HOUR_MS;
    await ours.authenticate(key);
    await ours.noteUse();
    expect(version()).toBe(first);
    now += HOUR_MS;
    await ours.authenticate(key);
    await theirs.authenticate(key);
    await ours.noteUse();
    expect(version()).toBeGreaterThan(first!);
    await other.reload();
    const second = version();
    await theirs.noteUse();
    await vault.reload();
    expect(version()).toBe(second);
    expect(ours.lastUseOf(id)).toBe('2026-01-02T09:04:05.000Z');
  });

  it('of many callers is noted in one write, however often it is asked to at once', async () => {
    const { store, vault } = await openVault();
    const keys: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      await putCaller(vault, name);
      keys.push((await vault.addCallerKey(name)).key.reveal());
    }
    const callers = callersOf(vault);
    for (const key of keys) await callers.authenticate(key);
    let writes = 0;
    const write = store.write.bind(store);
    store.write = (changes) => {
      writes += 1;
      return write(changes);
    };
    await Promise.all([callers.noteUse(), callers.noteUse()]);
    expect(writes).toBe(1);
    expect(vault.callers.map(({ keys: [key] }) => key?.lastUsedAt)).toEqual(Array(3).fill('2026-01-02T03:04:05.000Z'));
  });

  it('outlives a change of the caller, and a restart', async () => {
    const { id, key, vault, ours } = await twoReplicas();
    await ours.authenticate(key);
    await putCaller(vault, 'shop', ['token', 'ops']);
    expect(ours.lastUseOf(id)).toBeDefined();
    await ours.noteUse();
    expect(callersOf(vault).lastUseOf(id)).toBe('2026-01-02T03:04:05.000Z');
  });

  it('is no use if the key is wrong or has run out', async () => {
    const { vault, ours } = await twoReplicas();
    const { id, key } = await vault.addCallerKey('shop', 60);
    const right = key.reveal();
    expect(ours.authenticate(right.replace(/.$/, right.endsWith('0') ? '1' : '0'))).toBeUndefined();
    now += 60_000;
    expect(ours.authenticate(right)).toBeUndefined();
    expect(ours.lastUseOf(id)).toBeUndefined();
  });
});

import { KeyRing, type Place, Sealer, type Vault } from '#vault';

import { NOW, openVault, putCaller } from '../../../../test/support/vault.js';
import type { BrokerConfig } from '../config/broker-config.js';
import { Callers } from './callers.js';
import type { JwtCallers } from './jwt-callers.js';
import { Sessions } from './sessions.js';

const HOUR_MS = 3_600_000;
const [oldKey, newKey] = [KeyRing.generate('old'), KeyRing.generate('new')];
const made: Callers[] = [];
const realNow = Date.now;
let now = NOW;

beforeEach(() => {
  now = NOW;
  Date.now = () => now;
});
afterEach(() => {
  Date.now = realNow;
  for (const each of made.splice(0)) each.onModuleDestroy();
});

function sessionsOf(vault: Vault, ring: string): Sessions {
  const jwts = { authenticate: () => undefined } as unknown as JwtCallers;
  const config: Pick<BrokerConfig, 'adminKey' | 'jwtIssuers' | 'vaultKeys'> = {
    adminKey: undefined,
    jwtIssuers: [],
    vaultKeys: KeyRing.parse(ring),
  };
  const callers = new Callers(vault, jwts, config as BrokerConfig);
  made.push(callers);
  return new Sessions(callers, config as BrokerConfig);
}

async function anna(expiresInSeconds?: number) {
  const { vault } = await openVault();
  await putCaller(vault, 'anna', ['ops']);
  const { key } = await vault.addCallerKey('anna', expiresInSeconds);
  return { vault, key: key.reveal() };
}

it('lasts eight hours, to the millisecond', async () => {
  const { vault, key } = await anna();
  const sessions = sessionsOf(vault, oldKey);
  const { sealed, endsAtMs } = await sessions.begin(key);
  expect(endsAtMs).toBe(NOW + 8 * HOUR_MS);
  now = endsAtMs - 1;
  expect(await sessions.find(sealed)).toMatchObject({ caller: { name: 'anna' }, endsAtMs });
  now = endsAtMs;
  expect(await sessions.find(sealed)).toBeUndefined();
});

it('ends before that with its key', async () => {
  const { vault, key } = await anna(60);
  expect((await sessionsOf(vault, oldKey).begin(key)).endsAtMs).toBe(NOW + 60_000);
});

it('is known to every replica whose ring holds the master key, and to no other', async () => {
  const { vault, key } = await anna();
  const { sealed } = await sessionsOf(vault, oldKey).begin(key);
  expect(await sessionsOf(vault, `${newKey},${oldKey}`).find(sealed)).toMatchObject({ caller: { name: 'anna' } });
  expect(await sessionsOf(vault, newKey).find(sealed)).toBeUndefined();
});

it('shows nothing of the key', async () => {
  const { vault, key } = await anna();
  const { sealed } = await sessionsOf(vault, oldKey).begin(key);
  const header = Buffer.from(sealed.split('.', 1).join(), 'base64url').toString();
  expect(Object.keys(JSON.parse(header) as object).toSorted()).toEqual(
    ['alg', 'enc', 'fmt', 'iv', 'kid', 'rec', 'tag', 'use', 'ver'].toSorted(),
  );
  expect(sealed + header).not.toContain(key.slice(0, 16));
});

it('is no token and no record of the vault that was sealed with the same key', async () => {
  const { vault, key } = await anna();
  const content = JSON.stringify({ key, endsAtMs: NOW + HOUR_MS });
  const sealer = new Sealer(KeyRing.parse(oldKey));
  const place: Place = { purpose: 'session', record: 'session', version: 1 };
  const sessions = sessionsOf(vault, oldKey);
  expect(await sessions.find(await sealer.seal(content, place))).toBeDefined();
  // Nor one that a newer version sealed: whoever has it signs in anew, and has one that both read.
  expect(await sessions.find(await sealer.seal(content, place, 2))).toBeUndefined();
  for (const other of [{ purpose: 'vault' as const }, { record: 'caller/anna' }, { version: 2 }]) {
    expect(await sessions.find(await sealer.seal(content, { ...place, ...other }))).toBeUndefined();
  }
});

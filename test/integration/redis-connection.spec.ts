import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Bus, type BusMessage, RedisTokenStore } from '#redis';
import { StoreAwayError } from '#token';
import { KeyRing, Sealer } from '#vault';

import { systemClock } from '../../apps/broker/src/config/system-clock.js';
import { aCertificate } from '../support/certificates.js';
import { aFolder } from '../support/folder.js';
import { eventually } from '../support/processes.js';
import { aLink, settingsFor } from '../support/redis-link.js';
import { RunningRedis } from '../support/redis.js';
import { aKey, issued } from '../support/tokens.js';

/** What the README tells an administrator to allow, and no more. */
const ACL = ['--user', 'broker on >acl-password ~test:* &test:news resetkeys ~test:* -@all'];
const COMMANDS =
  '+@read +@write +@hash +@sortedset +@scripting +publish +subscribe +ping +info +time +client +hello +auth +select +quit';

it('a user who may do only what is needed does all that the stores do', async () => {
  const redis = await RunningRedis.start([ACL[0]!, ...`${ACL[1]} ${COMMANDS}`.split(' ')]);
  const signIn = { username: 'broker', password: 'acl-password' };
  const link = await aLink(redis.port, signIn);
  const bus = new Bus({ ...settingsFor(redis.port), ...signIn }, link.keys.news, systemClock);
  await bus.ready(2_000);
  const heard: BusMessage[] = [];
  bus.subscribe((message) => heard.push(message));
  const store = new RedisTokenStore(link, bus, new Sealer(KeyRing.parse(KeyRing.generate('test'))), systemClock);
  const key = aKey();
  const request = { owner: 'a/1', leaseMs: 1_000, haveGeneration: 0, minRemainingMs: 0, spareMs: 0 };
  await eventually(async () => {
    const outcome = await store.acquire(key, request);
    if (outcome.kind !== 'lead') throw new Error(outcome.kind);
    await store.renew(outcome.lease, 1_000);
    await store.release(outcome.lease);
    return heard.length > 0 || undefined;
  });
  const outcome = await store.acquire(key, request);
  if (outcome.kind !== 'lead') throw new Error(outcome.kind);
  const committed = await store.commit(outcome.lease, issued('one', 60_000));
  if (committed.kind !== 'stored') throw new Error(committed.kind);
  expect(await store.seed(key, committed.token, await store.now())).toBe('kept');
  expect((await store.list({ limit: 10 })).items).toHaveLength(1);
  expect(await store.inspectUpstream(key)).toMatchObject({ calls: 0 });
  expect(await store.invalidate(key, outcome.lease.generation, 1_000)).toBe('invalidated');
  expect(link.outages).toEqual([]);
  await expect(link.call('test:', (client) => client.set('elsewhere', '1'))).rejects.toMatchObject({
    reason: 'NOPERM',
  });
  bus.close();
});

it.each([
  ['a wrong password', { password: 'wrong' }, /WRONGPASS/],
  ['no password', {}, /NOAUTH/],
])('with %s, Redis is away, and says why', async (_, signIn, reason) => {
  const redis = await RunningRedis.start(['--requirepass', 'right']);
  const link = await aLink(redis.port, signIn);
  await eventually(() => reason.test(link.outages[0]?.reason ?? '') || undefined);
  await expect(link.call('test:x', (client) => client.get('test:x'))).rejects.toBeInstanceOf(StoreAwayError);
});

describe('TLS', () => {
  async function tlsRedis() {
    const own = aCertificate();
    const folder = aFolder();
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    writeFileSync(cert, own.cert);
    writeFileSync(key, own.key);
    const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert];
    const plain = await RunningRedis.start();
    const port = plain.port;
    await plain.stop();
    // Its one port speaks TLS alone.
    const args = [
      '--save',
      '',
      '--bind',
      '127.0.0.1',
      '--tls-port',
      String(port),
      '--tls-auth-clients',
      'no',
      ...files,
    ];
    await RunningRedis.startWith({ args: [...args, '--port', '0'], portOption: false });
    return { port, ca: own.cert };
  }

  it('is spoken with an authority of our own, and with no other', async () => {
    const { port, ca } = await tlsRedis();
    const link = await aLink(port, { tls: { ca: [ca] } });
    await link.call('test:x', (client) => client.set('test:x', 'over TLS'));
    expect(await link.call('test:x', (client) => client.get('test:x'))).toBe('over TLS');
    const stranger = await aLink(port, { tls: { ca: undefined } });
    expect(stranger.outages).toHaveLength(1);
    const plain = await aLink(port);
    expect(plain.outages).toHaveLength(1);
  });
});

import { lockedZip } from '../../apps/demo/src/locked-zip.js';
import type { RunningBroker } from '../support/broker.js';
import { statusOf } from '../support/event-stream.js';
import { type Answer, bearer, call } from '../support/http.js';
import { otherVersion } from '../support/other-version.js';
import { eventually } from '../support/processes.js';
import { RunningRedis } from '../support/redis.js';
import { expectNobodyHarmed, Replicas } from '../support/replicas.js';
import { RunningSandbox } from '../support/sandbox.js';
import { signedIn, signIn } from '../support/session.js';

const FORMAT = { writes: 2, reads: 2 };
const NEXT = { records: FORMAT, token: FORMAT, session: FORMAT };
const BY_NEWER = /newer version/;

let redis: RunningRedis;
let sandbox: RunningSandbox;
let replicas: Replicas;
let older: RunningBroker;
let newer: RunningBroker;
let next: string;
let [kept, changed]: string[] = [];
/** Of all records, before a newer version came. */
let backup: string;

const record = (client: string) => redis.client.hget('tb:{vault}', `client/${client}`);
const tokenAt = (broker: RunningBroker, client: string) => broker.token(replicas.callerKey, { client });
const backupOf = ({ url, adminKey }: RunningBroker) =>
  call('GET', `${url}/v1/vault/backup`, { headers: bearer(adminKey) });

function restore({ url, adminKey }: RunningBroker, text: string): Promise<Answer> {
  const body = new FormData();
  body.set('backup', new Blob([text]), 'vault.jwe');
  return call('POST', `${url}/v1/vault/restore`, { headers: bearer(adminKey), body });
}

/** Lines of a log from its warnings on. */
function complaintsOf({ process }: RunningBroker): { level: string; event: string; record?: string }[] {
  const lines = process.output().split('\n');
  return lines.filter((line) => /"level":"(warn|error|fatal)"/.test(line)).map((line) => JSON.parse(line) as never);
}

beforeAll(async () => {
  [redis, sandbox] = await Promise.all([RunningRedis.start(), RunningSandbox.start()]);
  next = otherVersion('0.2.0', NEXT);
  replicas = await Replicas.start(1, sandbox, { REDIS_URL: redis.url, VAULT_STORE: 'redis' }, 2);
  [kept, changed] = [replicas.aClient(), replicas.aClient()];
  [older] = replicas.brokers as [RunningBroker];
  backup = (await backupOf(older)).text;
  newer = await replicas.add(next);
  for (const broker of [older, newer]) {
    for (const client of [kept, changed]) expect((await tokenAt(broker, client)).status).toBe(200);
  }
  // Whatever a newer version changes is in its own form from then on.
  await newer.replaceClient(changed, 'a newer secret');
  await eventually(async () => (await tokenAt(older, changed!)).status === 404 || undefined);
}, 60_000);

afterEach(() => expectNobodyHarmed());

it('a record in a form that only the newer version reads is served by that one, and absent for the other', async () => {
  expect((await tokenAt(newer, changed!)).status).toBe(200);
  expect((await tokenAt(older, changed!)).json).toMatchObject({ status: 404, code: 'not_found' });
  expect((await older.oauth(changed!, replicas.callerKey)).json['error']).toBe('invalid_client');
  for (const broker of [older, newer]) expect((await tokenAt(broker, kept!)).status).toBe(200);
  expect((await older.admin('GET', '/v1/clients')).json).toMatchObject({ items: [{ name: kept }], newer: [changed] });
  expect((await newer.admin('GET', '/v1/clients')).json['newer']).toBeUndefined();
});

it('the older version refuses to change, replace or delete it, and says why', async () => {
  const before = await record(changed!);
  const path = `/v1/clients/${changed}`;
  const put = { environment: 'sandbox', client_id: `${changed}-id`, client_secret: 'older' };
  const archive = await lockedZip({ client_id: `${changed}-id`, client_secret: 'older' }, 'password');
  const answers = [
    await older.admin('PUT', path, put),
    await older.admin('PATCH', path, { enabled: false }),
    await older.admin('DELETE', path),
    await older.admin('POST', `${path}/secrets`, { client_secret: 'older' }),
    await older.import(archive, { password: 'password', name: changed! }),
    await older.import(archive, { password: 'password', name: changed!, dry_run: 'true' }),
  ];
  for (const { status, json } of answers) {
    expect([status, json['code'], json['detail']]).toEqual([409, 'conflict', expect.stringMatching(BY_NEWER)]);
  }
  expect(await record(changed!)).toBe(before);
  expect((await tokenAt(newer, changed!)).status).toBe(200);
});

it('the older version goes on changing what it can read', async () => {
  for (const enabled of [false, true]) {
    expect((await older.admin('PATCH', `/v1/clients/${kept}`, { enabled })).json['enabled']).toBe(enabled);
  }
  await eventually(async () => (await tokenAt(newer, kept!)).status === 200 || undefined);
});

it('re-keying leaves it alone and names it; what concerns the whole vault is left to the newer version', async () => {
  const before = await record(changed!);
  expect((await older.admin('POST', '/v1/vault/rekey')).json).toMatchObject({ left: 0, newer: [`client/${changed}`] });
  const [whole, made] = [await backupOf(older), await backupOf(newer)];
  expect([whole.status, whole.json['detail'], made.status]).toEqual([409, expect.stringMatching(BY_NEWER), 200]);
  const [ofNewer, ofOlder] = [await restore(older, made.text), await restore(older, backup)];
  expect([ofNewer.status, ofNewer.json['detail']]).toEqual([400, expect.stringMatching(BY_NEWER)]);
  expect([ofOlder.status, ofOlder.json['detail']]).toEqual([409, expect.stringContaining(`client/${changed}`)]);
  expect(await record(changed!)).toBe(before);
});

it('operators see it, as something to finish and not as something broken', async () => {
  const status = await eventually(async () => {
    const seen = await statusOf(older);
    return seen.needs.length > 0 && seen.replicas.length === 2 ? seen : undefined;
  });
  expect(status).toMatchObject({ health: 'degraded', vault: { clients: 1, locked: 0, newer: 1 } });
  expect(status.needs).toMatchObject([{ code: 'vault_newer', severity: 'warning' }]);
  expect(status.replicas.map(({ version }) => version).toSorted()).toEqual(['0.1.0', '0.2.0']);
  expect((await statusOf(newer)).vault).toMatchObject({ clients: 2, newer: 0 });
  // Looked at from time to time.
  const part = await eventually(async () => {
    const { details } = (await older.admin('GET', '/health')).json as { details: Record<string, { newer?: number }> };
    return details['vault']?.newer === 1 ? details['vault'] : undefined;
  });
  expect(part).toMatchObject({ status: 'degraded', locked: 0, reason: expect.stringMatching(BY_NEWER) });
  expect(await replicas.metric(older, 'token_broker_vault_records{kind="newer"}')).toBe(1);
  expect((await call('GET', `${older.url}/health/ready`)).status).toBe(200);
  const about = complaintsOf(older).filter(({ event }) => event !== 'vault_not_persistent');
  expect(about).toMatchObject([{ level: 'warn', event: 'record_newer', record: `client/${changed}` }]);
});

it('a session that the newer version sealed is none for the older one; the other way round it is', async () => {
  const ops = await older.addCaller('ops', ['ops']);
  const asOps = { headers: bearer(ops) };
  await eventually(async () => (await call('GET', `${newer.url}/v1/status`, asOps)).status === 200 || undefined);
  const [byNewer, byOlder] = [await signIn(newer.url, ops), await signIn(older.url, ops)];
  expect((await signedIn(older.url, byNewer)).status).toBe(401);
  for (const broker of [older, newer]) expect((await signedIn(broker.url, byOlder)).status).toBe(200);
});

it('rolled forward, every record is served; rolled back, the older version starts, is ready and says what it lacks', async () => {
  await replicas.add(next);
  await replicas.stop([older]);
  for (const broker of replicas.alive) {
    for (const client of [kept, changed]) expect((await tokenAt(broker, client!)).status).toBe(200);
  }
  for (const name of [kept!, changed!]) await newer.replaceClient(name, 'in its own form');
  for (const name of ['shop', 'ops']) await newer.admin('PATCH', `/v1/callers/${name}`, { roles: ['token', 'ops'] });
  const before = await redis.client.hgetall('tb:{vault}');

  await replicas.stop();
  const back = await replicas.add();
  expect((await call('GET', `${back.url}/health/ready`)).status).toBe(200);
  expect((await back.admin('GET', '/v1/clients')).json).toEqual({ items: [], newer: [kept, changed] });
  expect((await back.admin('GET', '/v1/callers')).json['newer']).toEqual(['ops', 'shop']);
  expect((await tokenAt(back, kept!)).status).toBe(401);
  expect(complaintsOf(back).filter(({ level }) => level !== 'warn')).toEqual([]);
  expect(complaintsOf(back).filter(({ event }) => event === 'record_newer')).toHaveLength(4);
  expect(await redis.client.hgetall('tb:{vault}')).toEqual(before);

  const forward = await replicas.add(next);
  for (const client of [kept, changed]) expect((await tokenAt(forward, client!)).status).toBe(200);
}, 60_000);

import type { Page } from 'playwright-core';

import { aPage } from '../support/chromium.js';
import { expectGone, expectShown, signedIn, signIn, type Watched, watchedReplicas } from '../support/dashboard.js';
import { RunningNginx } from '../support/nginx.js';
import { eventually } from '../support/processes.js';
import { expectNobodyHarmed } from '../support/replicas.js';

const VAT = 'DK90000028';
let watched: Watched;

beforeAll(async () => {
  watched = await watchedReplicas();
}, 60_000);

afterEach(() => expectNobodyHarmed());

const row = (page: Page, text: string | RegExp) => page.getByRole('row').filter({ hasText: text });
const events = (page: Page) => page.getByRole('region', { name: 'Events, the newest first' });
const needs = (page: Page) => page.getByRole('region', { name: 'What needs you' });

describe('signing in', () => {
  it('takes a key with the role ops, and shows how the cluster is', async () => {
    const page = await signedIn(watched.replicas.brokers[0]!, watched.opsKey);
    await expectShown(page.getByRole('heading', { level: 1, name: 'All is well' }));
    await expectShown(page.getByText('3 replicas ready'));
    expect(await page.title()).toBe('Token broker');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await expectShown(page.getByLabel('Ops key'));
    await page.reload();
    await expectShown(page.getByLabel('Ops key'));
  });

  it('refuses a wrong key, and one without the role, in words', async () => {
    const page = await aPage();
    await page.goto(`${watched.replicas.brokers[0]!.url}/dashboard`);
    await signIn(page, 'tbk_AAAAAAAAAAAAAAAA_wrong');
    await expectShown(page.getByRole('alert').filter({ hasText: 'This key is not known' }));
    await signIn(page, watched.replicas.callerKey);
    await expectShown(page.getByRole('alert').filter({ hasText: 'needs the role ops' }));
  });

  it('leaves the key nowhere that a script or the next person could read', async () => {
    const page = await signedIn(watched.replicas.brokers[0]!, watched.opsKey);
    const readable = await page.evaluate<string>(
      'JSON.stringify([document.cookie, document.documentElement.outerHTML, location.href, { ...localStorage, ...sessionStorage }])',
    );
    expect(readable).not.toContain(watched.opsKey);
    const [cookie] = await page.context().cookies();
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict' });
    expect(cookie!.value).not.toContain(watched.opsKey);
  });

  it('ends with the key: the form comes back, says so, and keeps what was looked for', async () => {
    const { replicas } = watched;
    const [broker] = replicas.brokers as [Watched['replicas']['brokers'][0]];
    await broker.token(replicas.callerKey, { client: replicas.aClient(), merchant_vat: VAT });
    await broker.admin('PUT', '/v1/callers/day-shift', { roles: ['ops'], grants: [] });
    const { json } = await broker.admin('POST', '/v1/callers/day-shift/keys', { expires_in: 6 });
    const page = await signedIn(broker, String(json['key']));
    await page.getByRole('searchbox').fill('nothing-of-this-name');
    await expectShown(page.getByText('Your session has ended'), 15_000);
    await signIn(page, watched.opsKey);
    await expectShown(page.getByRole('heading', { name: 'Clients and merchants' }));
    expect(await page.getByRole('searchbox').inputValue()).toBe('nothing-of-this-name');
  });

  it('ends at once when the key is revoked', async () => {
    const [broker] = watched.replicas.brokers as [Watched['replicas']['brokers'][0]];
    const key = await broker.addCaller('gone', ['ops']);
    const page = await signedIn(broker, key);
    await broker.admin('DELETE', '/v1/callers/gone');
    await expectShown(page.getByText('Your session has ended'), 15_000);
  });
});

describe('what happens', () => {
  it('is seen as it happens: a token that is refreshed, by whom, and its life', async () => {
    const { replicas } = watched;
    const [first, second] = replicas.brokers as [Watched['replicas']['brokers'][0], Watched['replicas']['brokers'][0]];
    const page = await signedIn(first);
    const client = replicas.aClient();
    expect((await second.token(replicas.callerKey, { client, merchant_vat: VAT })).status).toBe(200);
    const ours = row(page, client);
    await expectShown(ours.filter({ hasText: 'fresh' }), 5_000);
    await expectShown(events(page).getByText(`${client} · ${VAT}`).first());
    const before = await ours.getByRole('gridcell').nth(4).textContent();
    await eventually(async () => (await ours.getByRole('gridcell').nth(4).textContent()) !== before || undefined);
  });

  it('a killed replica is gone, and the timeline says so', async () => {
    const { replicas } = watched;
    const page = await signedIn(replicas.alive[0]!);
    await expectShown(page.getByText('3 replicas ready'));
    replicas.kill(replicas.alive.at(-1)!);
    await expectShown(page.getByText('2 replicas ready'), 15_000);
    await expectShown(events(page).getByText('went'));
    await replicas.add();
    await expectShown(page.getByText('3 replicas ready'), 10_000);
  });

  it('an outage of MobilePay is there within 3 s, and gone when it is over', async () => {
    const { replicas, sandbox } = watched;
    const [first, second] = replicas.alive as [Watched['replicas']['brokers'][0], Watched['replicas']['brokers'][0]];
    const page = await signedIn(first);
    const client = replicas.aClient();
    await sandbox.fault({ kind: 'status', status: 503 });
    expect((await second.token(replicas.callerKey, { client, merchant_vat: VAT })).status).toBe(503);
    await expectShown(needs(page), 3_000);
    expect(await page.title()).toMatch(/^\(\d+\) Token broker$/);
    await expectShown(row(page, client).filter({ hasText: 'failing' }));
    await sandbox.clearFaults();
    await eventually(
      async () => (await second.token(replicas.callerKey, { client, merchant_vat: VAT })).status === 200 || undefined,
      15_000,
    );
    await expectGone(needs(page), 3_000);
    await expectShown(row(page, client).filter({ hasText: 'fresh' }));
  }, 40_000);

  it('is seen behind a proxy and a path prefix as well', async () => {
    const { replicas } = watched;
    const [{ url, adminKey }] = replicas.alive as [Watched['replicas']['brokers'][0]];
    const nginx = await RunningNginx.start(url, '/ops/tokens/');
    const page = await signedIn({ url: nginx.url, adminKey });
    const client = replicas.aClient();
    await replicas.alive[1]!.token(replicas.callerKey, { client, merchant_vat: VAT });
    await expectShown(row(page, client).filter({ hasText: 'fresh' }));
    await page.getByRole('button', { name: `Test ${client} ${VAT}` }).click();
    await page.getByRole('button', { name: 'Run the test' }).click();
    await expectShown(page.getByRole('status').filter({ hasText: 'MobilePay accepted the secret' }));
    await page.close();
    await nginx.stop();
  });

  it('a lost broker is said to be lost, and comes back by itself', async () => {
    const { replicas } = watched;
    const broker = replicas.alive.at(-1)!;
    const page = await signedIn(broker);
    broker.process.child.kill('SIGSTOP');
    await expectShown(page.getByText('Connection lost.'), 20_000);
    broker.process.child.kill('SIGCONT');
    await expectGone(page.getByText('Connection lost.'), 20_000);
    await expectShown(page.getByText(/^Live/));
  }, 60_000);
});

describe('an admin', () => {
  async function withToken(): Promise<{ page: Page; client: string; tokenId: string }> {
    const { replicas } = watched;
    const client = replicas.aClient();
    const page = await signedIn(replicas.alive[0]!);
    const { json } = await replicas.alive[0]!.token(replicas.callerKey, { client, merchant_vat: VAT });
    await expectShown(row(page, client).filter({ hasText: 'fresh' }));
    return { page, client, tokenId: String(json['token_id']) };
  }

  it('invalidates a token, after being asked', async () => {
    const { page, client, tokenId } = await withToken();
    await page.getByRole('button', { name: `Invalidate ${client} ${VAT}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    expect((await watched.replicas.shared(client))[0]).toMatchObject({ token_id: tokenId });
    await page.getByRole('button', { name: `Invalidate ${client} ${VAT}` }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Invalidate token' }).click();
    await expectShown(page.getByRole('status').filter({ hasText: 'dropped everywhere' }));
    await page.getByRole('button', { name: 'Close' }).click();
    await expectShown(row(page, client).filter({ hasText: 'dead' }));
    const { json } = await watched.replicas.alive[1]!.token(watched.replicas.callerKey, { client, merchant_vat: VAT });
    expect(json['token_id']).not.toBe(tokenId);
  });

  it('tests the credentials at MobilePay', async () => {
    const { page, client } = await withToken();
    await row(page, client).getByRole('gridcell').first().click();
    const sheet = page.getByRole('dialog');
    await expectShown(sheet.getByText('Next answer'));
    await sheet.getByRole('button', { name: 'Test at MobilePay' }).click();
    await page.getByRole('button', { name: 'Run the test' }).click();
    await expectShown(page.getByRole('status').filter({ hasText: 'MobilePay accepted the secret' }));
  });

  it('disables a client and enables it again', async () => {
    const { page, client } = await withToken();
    const ask = () => watched.replicas.alive[0]!.token(watched.replicas.callerKey, { client, merchant_vat: VAT });
    await page.getByRole('button', { name: `Disable or enable ${client}` }).click();
    await page.getByRole('button', { name: 'Disable client' }).click();
    await expectShown(page.getByRole('status').filter({ hasText: `${client} is disabled` }));
    expect((await ask()).status).toBe(409);
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: `Disable or enable ${client}` }).click();
    await page.getByRole('button', { name: 'Enable client', exact: true }).click();
    await expectShown(page.getByRole('status').filter({ hasText: `${client} is enabled` }));
    expect((await ask()).status).toBe(200);
  });

  it('alone sees what can be done', async () => {
    const { client } = await withToken();
    const page = await signedIn(watched.replicas.alive[0]!, watched.opsKey);
    await expectShown(row(page, client));
    expect(await page.getByRole('button', { name: /^(Invalidate|Test|Disable) / }).count()).toBe(0);
  });
});

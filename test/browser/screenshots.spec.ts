import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import type { Page } from 'playwright-core';

import { aPage } from '../support/chromium.js';
import { expectShown, seedMerchants, signedIn, type Watched, watchedReplicas } from '../support/dashboard.js';
import { aFolder } from '../support/folder.js';
import { root } from '../support/processes.js';

/** Where pictures go: `docs/images` for the README if SCREENSHOTS is set, else where nobody sees them. */
const folder = process.env['SCREENSHOTS'] === undefined ? aFolder() : join(root, 'docs/images');
const OTHERS = ['fjord-foods', 'matas-stores', 'salling'];
let watched: Watched;

/** A morning in a small company: some hundred merchants, one of whom MobilePay does not know, and stores that ask. */
beforeAll(async () => {
  watched = await watchedReplicas();
  const { replicas, sandbox } = watched;
  const [broker] = replicas.brokers as [Watched['replicas']['brokers'][0]];
  for (const name of OTHERS) await broker.addClient(name);
  await seedMerchants(watched, OTHERS[0]!, 240);
  const ask = (client: string, n: number) =>
    replicas.brokers[n % 3]!.token(replicas.callerKey, { client, merchant_vat: `DK9000${1_000 + n}` });
  for (const [i, client] of OTHERS.entries()) for (let n = 0; n < 9; n += 1) await ask(client, i * 100 + n);
  for (let n = 0; n < 600; n += 1) await ask(OTHERS[n % 3]!, (n % 3) * 100 + (n % 9));
  await sandbox.fault({
    kind: 'status',
    status: 400,
    body: '{"error":"invalid_request"}',
    client_id: `${OTHERS[1]}-id`,
    times: 1,
  });
  await ask(OTHERS[1]!, 150);
  await anHourBefore();
  mkdirSync(folder, { recursive: true });
}, 90_000);

/** Charts of a cluster that has just started show nothing: the hour before is made up, as replicas would have told it. */
async function anHourBefore(): Promise<void> {
  const { client } = watched.redis;
  const [seconds] = await client.time();
  const thisMinute = Math.floor(Number(seconds) / 60);
  for (let ago = 59; ago > 0; ago -= 1) {
    const swell = 1 + Math.sin(ago / 9) / 4 + Math.sin(ago * 2.7) / 9;
    const calls = Math.round(22 * swell);
    const errors = ago === 31 ? 3 : 0;
    const [inAll, longest] = [
      Math.round(calls * 110 * (1 + Math.sin(ago) / 12)),
      Math.round(260 + 90 * Math.sin(ago * 1.9)),
    ];
    const minute = [Math.round(560 * swell), calls, errors, inAll, longest];
    await client.hset('tb:{cluster}:minutes', String(thisMinute - ago), minute.join(' '));
  }
}

async function looking(options: Parameters<typeof aPage>[0]): Promise<Page> {
  const page = await aPage({ reducedMotion: 'reduce', ...options });
  await signedIn(watched.replicas.brokers[0]!, watched.replicas.brokers[0]!.adminKey, page);
  await expectShown(page.getByText(/^26\d tokens$/), 15_000);
  await expectShown(page.getByText(/in the last hour/));
  return page;
}

async function taken(page: Page, name: string): Promise<number> {
  const path = join(folder, `dashboard-${name}.png`);
  await page.screenshot({ path });
  return statSync(path).size;
}

it.each([
  ['light', { colorScheme: 'light', viewport: { width: 1_440, height: 1_240 } }],
  ['dark', { colorScheme: 'dark', viewport: { width: 1_440, height: 1_240 } }],
  ['narrow', { colorScheme: 'light', viewport: { width: 390, height: 1_400 } }],
] as const)('shows the page: %s', async (name, options) => {
  const page = await looking(options);
  expect(await taken(page, name)).toBeGreaterThan(20_000);
});

it('shows what is known of one token', async () => {
  const page = await looking({ viewport: { width: 1_440, height: 900 } });
  await page.getByRole('searchbox').fill('matas');
  await page.getByRole('row').nth(1).getByRole('gridcell').first().click();
  await expectShown(page.getByRole('dialog').getByText('Next answer'));
  expect(await taken(page, 'token')).toBeGreaterThan(20_000);
});

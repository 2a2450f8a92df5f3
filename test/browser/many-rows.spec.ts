import axe from 'axe-core';
import type { Page } from 'playwright-core';

import { aPage } from '../support/chromium.js';
import {
  expectGone,
  expectShown,
  merchantOf,
  seedMerchants,
  signedIn,
  type Watched,
  watchedReplicas,
} from '../support/dashboard.js';

const MANY = 10_000;
let watched: Watched;
let page: Page;

beforeAll(async () => {
  watched = await watchedReplicas();
  await seedMerchants(watched, 'client-of-many', MANY);
  page = await signedIn(watched.replicas.brokers[0]!);
  await expectShown(page.getByText('10,000 tokens', { exact: true }), 30_000);
}, 90_000);

const rows = () => page.getByRole('row');
const cell = (row: number, column: number) => rows().nth(row).getByRole('gridcell').nth(column).textContent();

it('draws the rows that are seen and no others, and counts them all for screen readers', async () => {
  expect(await page.getByRole('grid').getAttribute('aria-rowcount')).toBe(String(MANY + 1));
  expect(await rows().count()).toBeLessThan(60);
});

it('finds one of them as it is typed', async () => {
  await page.getByRole('searchbox').fill(merchantOf(7_777));
  await expectShown(page.getByText('1 of 10,000 tokens'));
  expect(await cell(1, 1)).toBe(merchantOf(7_777));
  await page.getByRole('searchbox').fill('no such merchant');
  await expectShown(page.getByRole('heading', { name: 'Nothing matches' }));
  await page.getByRole('button', { name: 'Show all' }).click();
  await expectShown(page.getByText('10,000 tokens', { exact: true }));
});

it('sorts by any column, both ways, and says so', async () => {
  const head = page.getByRole('columnheader', { name: 'Merchant' });
  await head.getByRole('button').click();
  expect(await head.getAttribute('aria-sort')).toBe('ascending');
  expect(await cell(1, 1)).toBe(merchantOf(0));
  await head.getByRole('button').click();
  expect(await head.getAttribute('aria-sort')).toBe('descending');
  expect(await cell(1, 1)).toBe(merchantOf(MANY - 1));
});

it('is walked through by keyboard to its very end', async () => {
  await rows().nth(1).focus();
  await page.keyboard.press('End');
  await expectShown(page.getByRole('row').filter({ hasText: merchantOf(0) }));
  expect(await page.evaluate("document.activeElement.getAttribute('aria-rowindex')")).toBe(String(MANY + 1));
  await page.keyboard.press('Enter');
  await expectShown(page.getByRole('dialog').getByRole('heading', { name: merchantOf(0) }));
  await page.keyboard.press('Escape');
  await expectGone(page.getByRole('dialog'));
});

it('keeps what is shown in the address, to be sent to somebody', async () => {
  await page.getByRole('searchbox').fill(merchantOf(42));
  const other = await aPage();
  await signedIn(watched.replicas.brokers[1]!, watched.opsKey, other);
  const { hash } = new URL(page.url());
  await other.goto(`${watched.replicas.brokers[1]!.url}/dashboard${hash}`);
  await expectShown(other.getByText('1 of 10,000 tokens'), 30_000);
  await page.getByRole('button', { name: 'Show all' }).or(page.getByRole('searchbox')).first().fill('');
});

describe.each([
  ['light', 'light', 1_440],
  ['dark', 'dark', 1_440],
  ['a phone', 'light', 390],
] as const)('%s', (_, colorScheme, width) => {
  it('has nothing serious for axe to find, on the page, in a dialog, or before signing in', async () => {
    const looked = await aPage({ colorScheme, viewport: { width, height: 900 }, bypassCSP: true });
    await looked.goto(`${watched.replicas.brokers[0]!.url}/dashboard`);
    await expectShown(looked.getByLabel('Ops key'));
    expect(await seriousIn(looked)).toEqual([]);
    await signedIn(watched.replicas.brokers[0]!, watched.replicas.brokers[0]!.adminKey, looked);
    await expectShown(looked.getByText('10,000 tokens', { exact: true }), 30_000);
    expect(await seriousIn(looked)).toEqual([]);
    await looked.getByRole('row').last().getByRole('gridcell').first().click();
    await expectShown(looked.getByRole('dialog'));
    expect(await seriousIn(looked)).toEqual([]);
    // Nothing sticks out.
    expect(await looked.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
  }, 60_000);
});

async function seriousIn(looked: Page): Promise<string[]> {
  await looked.evaluate(axe.source);
  // Nothing is judged in the middle of a fade.
  await looked.evaluate('Promise.allSettled(document.getAnimations().map((each) => each.finished))');
  const { violations } = await looked.evaluate<axe.AxeResults>('axe.run()');
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

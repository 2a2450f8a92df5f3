import axe from 'axe-core';

import { RunningBroker } from '../support/broker.js';
import { aPage } from '../support/chromium.js';
import { RunningSandbox } from '../support/sandbox.js';

/** What comes after is made of the same pieces. */
const LOOKED_AT = ['nav', 'h1', 'main > p', 'article:nth-of-type(-n + 4)'];
let broker: RunningBroker;

beforeAll(async () => {
  broker = await RunningBroker.start(await RunningSandbox.start());
});

it.each([
  [1_300, 'light' as const],
  [400, 'dark' as const],
])(
  'the API’s page, %i pixels wide and %s, is styled, fits, leads where it says, and has nothing for axe to find',
  async (width, colorScheme) => {
    const page = await aPage({ viewport: { width, height: 900 }, colorScheme });
    const complaints: string[] = [];
    page
      .on('console', (message) => complaints.push(message.text()))
      .on('pageerror', (error) => complaints.push(error.message));
    await page.goto(`${broker.url}/docs`);
    expect(await page.evaluate("getComputedStyle(document.querySelector('table')).borderCollapse")).toBe('collapse');
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    await page.getByRole('link', { name: 'POST /v1/tokens', exact: true }).click();
    expect(new URL(page.url()).hash).toBe('#tokensCreate');
    await page.getByRole('heading', { name: 'POST /v1/tokens', exact: true }).waitFor();
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate<axe.AxeResults>(`axe.run({ include: ${JSON.stringify(LOOKED_AT)} })`);
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html.slice(0, 200))])).toEqual([]);
    expect(complaints).toEqual([]);
  },
);

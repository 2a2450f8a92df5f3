import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';

import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

import { scratch } from './folder.js';

/** Nothing that leaves the machine, or needs more of it than a test may have. */
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** What a page is given to become ready for a click, say, in ms. */
const ACT_WITHIN_MS = 10_000;
const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

let running: { browser: Browser; folder: string } | undefined;

afterAll(async () => {
  await running?.browser.close();
  if (running) rmSync(running.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
});

/** A page in a real Chromium, in a profile of its own. Ends with the test file.
 *  @throws Error if there is none on the PATH */
export async function aPage(options: BrowserContextOptions = {}): Promise<Page> {
  running ??= await launch();
  const context = await running.browser.newContext(options);
  context.setDefaultTimeout(ACT_WITHIN_MS);
  return context.newPage();
}

async function launch(): Promise<{ browser: Browser; folder: string }> {
  mkdirSync(scratch, { recursive: true });
  const folder = mkdtempSync(join(scratch, 'chromium-'));
  // Its profile, sockets and caches as well: nothing outside of the project.
  process.env['TMPDIR'] = folder;
  const browser = await chromium.launch({
    executablePath: findChromium(),
    args: QUIET,
    env: { PATH: process.env['PATH'], HOME: folder, TMPDIR: folder, XDG_RUNTIME_DIR: folder },
  });
  return { browser, folder };
}

function findChromium(): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const found = folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(isExecutable);
  if (found === undefined) {
    throw new Error('the browser tests need Chromium on the PATH: on Debian and Ubuntu, apt-get install chromium');
  }
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

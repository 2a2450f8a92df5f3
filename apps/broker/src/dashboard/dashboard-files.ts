import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

import { codeOf } from '../config/secrets.js';

/** What the build makes, and whether it is worth being compressed. */
const KINDS: Readonly<Record<string, { readonly type: string; readonly compress: boolean }>> = {
  '.html': { type: 'text/html; charset=utf-8', compress: true },
  '.js': { type: 'text/javascript; charset=utf-8', compress: true },
  '.css': { type: 'text/css; charset=utf-8', compress: true },
  '.svg': { type: 'image/svg+xml', compress: true },
  '.png': { type: 'image/png', compress: false },
  '.woff2': { type: 'font/woff2', compress: false },
};
const PAGE = 'index.html';

/** A file, as it is sent. */
export interface DashboardFile {
  readonly type: string;
  readonly body: Buffer;
  /** Compressed when it is first asked for; undefined if it would not be smaller. */
  readonly gzip: () => Promise<Buffer | undefined>;
  /** Weak: the same compressed or not (RFC 9110 §8.8.3.2). */
  readonly etag: string;
}

/** The dashboard as it was built, in memory: what is asked for is looked up here, and never in a folder. */
export class DashboardFiles {
  readonly #files = new Map<string, DashboardFile>();
  /** Undefined if it was not built. */
  readonly page: DashboardFile | undefined;
  /** Why there are no files; undefined if there are. */
  readonly missing: string | undefined;

  constructor(folder: string) {
    try {
      for (const name of readdirSync(folder)) {
        const kind = KINDS[extname(name)];
        if (kind) this.#files.set(name, read(join(folder, name), kind));
      }
    } catch (error) {
      this.missing = codeOf(error);
    }
    this.page = this.#files.get(PAGE);
    this.#files.delete(PAGE);
  }

  /** One of the files that the page refers to, whose name changes with what it holds. */
  find(name: string): DashboardFile | undefined {
    return this.#files.get(name);
  }
}

function read(path: string, { type, compress }: (typeof KINDS)[string]): DashboardFile {
  const body = readFileSync(path);
  let gzipped: Promise<Buffer | undefined> | undefined;
  return {
    type,
    body,
    gzip: () => (gzipped ??= compress ? smaller(body) : Promise.resolve(undefined)),
    etag: `W/"${hash('sha256', body, 'base64url')}"`,
  };
}

/** In the thread pool: tokens are given meanwhile. */
async function smaller(body: Buffer): Promise<Buffer | undefined> {
  const gzipped = await promisify(gzip)(body, { level: 9 });
  return gzipped.length < body.length ? gzipped : undefined;
}

import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

import { HttpStatus } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { codeOf } from '../config/secrets.js';

/** What the build makes, and whether it is worth being compressed. */
const KINDS: Readonly<Record<string, { readonly type: string; readonly compress: boolean }>> = {
  '.html': { type: 'text/html; charset=utf-8', compress: true },
  '.js': { type: 'text/javascript; charset=utf-8', compress: true },
  '.json': { type: 'application/json; charset=utf-8', compress: true },
  '.css': { type: 'text/css; charset=utf-8', compress: true },
  '.svg': { type: 'image/svg+xml', compress: true },
  '.png': { type: 'image/png', compress: false },
  '.woff2': { type: 'font/woff2', compress: false },
};
const PAGE = 'index.html';

/** A file, as it is sent. */
export interface BuiltFile {
  readonly type: string;
  readonly body: Buffer;
  /** Compressed when it is first asked for; undefined if it would not be smaller. */
  readonly gzip: () => Promise<Buffer | undefined>;
  /** Weak: the same compressed or not (RFC 9110 §8.8.3.2). */
  readonly etag: string;
}

/** A page as it was built, in memory: what is asked for is looked up here, and never in a folder. */
export class BuiltFiles {
  readonly #files = new Map<string, BuiltFile>();
  /** Undefined if it was not built. */
  readonly page: BuiltFile | undefined;
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

  /** One of the files beside the page. */
  find(name: string): BuiltFile | undefined {
    return this.#files.get(name);
  }
}

function read(path: string, { type, compress }: (typeof KINDS)[string]): BuiltFile {
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

/** Answers with a file, compressed if that is taken; or with nothing, if it is known already. */
export async function sendBuilt(file: BuiltFile, { headers }: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { type, body, etag } = file;
  void reply.headers({ etag, vary: 'accept-encoding' });
  if (isKnown(etag, headers['if-none-match'])) {
    await reply.code(HttpStatus.NOT_MODIFIED).send();
    return;
  }
  const compressed = takesGzip(headers['accept-encoding']) ? await file.gzip() : undefined;
  if (compressed) void reply.header('content-encoding', 'gzip');
  await reply.type(type).send(compressed ?? body);
}

/** By the weak comparison of RFC 9110 §8.8.3.2: a proxy may have weakened or strengthened the tag. */
function isKnown(etag: string, known = ''): boolean {
  const tags = known.split(',').map((tag) => tag.trim());
  return tags.includes('*') || tags.some((tag) => tag === etag || `W/${tag}` === etag);
}

/** RFC 9110 §12.5.3, without its preferences: there is nothing else to prefer. */
function takesGzip(accepted: string | string[] = ''): boolean {
  return String(accepted)
    .split(',')
    .some((each) => {
      const [coding = '', weight = ''] = each.toLowerCase().split(';', 2);
      return coding.trim() === 'gzip' && !/^ ?q=0(\.0{1,3})? ?$/.test(weight);
    });
}

import { Controller, Get, HttpStatus, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { Open } from '../http/caller.js';
import { Problem } from '../http/problem.js';
import { type DashboardFile, DashboardFiles } from './dashboard-files.js';

/** All that the page needs comes from here. No form of it leads elsewhere, and no frame of another page shows it. */
const PAGE_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The operations page: for everybody, since it shows nothing until somebody has signed in. */
@Controller('dashboard')
@Open()
export class DashboardController {
  constructor(private readonly files: DashboardFiles) {}

  @Get()
  async page(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { page } = this.files;
    if (!page) throw new Problem('not_found', 'the dashboard is not built here: npm run build makes it');
    void reply.headers({ 'content-security-policy': PAGE_CSP, 'cache-control': 'no-cache' });
    await send(page, request, reply);
  }

  @Get('*')
  async file(@Param('*') name: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    // The page's references are relative to its path without the slash; so is this, whatever a proxy puts before it.
    if (name === '') return void (await reply.redirect('../dashboard', HttpStatus.PERMANENT_REDIRECT));
    const file = this.files.find(name);
    if (!file) throw new Problem('not_found', 'the dashboard has no such file');
    void reply.header('cache-control', 'public, max-age=31536000, immutable');
    await send(file, request, reply);
  }
}

async function send(file: DashboardFile, { headers }: FastifyRequest, reply: FastifyReply): Promise<void> {
  const { type, body, gzip, etag } = file;
  void reply.headers({ etag, vary: 'accept-encoding' });
  if (isKnown(etag, headers['if-none-match'])) {
    await reply.code(HttpStatus.NOT_MODIFIED).send();
    return;
  }
  const compressed = takesGzip(headers['accept-encoding']) ? await gzip() : undefined;
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

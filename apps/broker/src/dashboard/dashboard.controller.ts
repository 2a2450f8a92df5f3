import { Controller, Get, HttpStatus, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { BuiltFiles, sendBuilt } from '../http/built-files.js';
import { Open } from '../http/caller.js';
import { Problem } from '../http/problem.js';

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
  constructor(private readonly files: BuiltFiles) {}

  @Get()
  async page(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    const { page } = this.files;
    if (!page) throw new Problem('not_found', 'the dashboard is not built here: npm run build makes it');
    void reply.headers({ 'content-security-policy': PAGE_CSP, 'cache-control': 'no-cache' });
    await sendBuilt(page, request, reply);
  }

  @Get('*')
  async file(@Param('*') name: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    // The page's references are relative to its path without the slash; so is this, whatever a proxy puts before it.
    if (name === '') return void (await reply.redirect('../dashboard', HttpStatus.PERMANENT_REDIRECT));
    const file = this.files.find(name);
    if (!file) throw new Problem('not_found', 'the dashboard has no such file');
    void reply.header('cache-control', 'public, max-age=31536000, immutable');
    await sendBuilt(file, request, reply);
  }
}

import { hash } from 'node:crypto';

import { Controller, Get, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { type BuiltFile, BuiltFiles, sendBuilt } from '../http/built-files.js';
import { Open } from '../http/caller.js';
import { Problem } from '../http/problem.js';

/** The API, described: for programs and for people. For everybody, since it tells of no client and no caller. */
@Controller()
@Open()
export class DocsController {
  readonly #csp: string;

  constructor(private readonly files: BuiltFiles) {
    // The page is nothing but text and the one style sheet in it.
    const page = files.page?.body.toString() ?? '';
    const style = page.slice(page.indexOf('<style>') + '<style>'.length, page.indexOf('</style>'));
    this.#csp = [
      "default-src 'none'",
      `style-src 'sha256-${hash('sha256', style, 'base64')}'`,
      "form-action 'none'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join('; ');
  }

  /** The OpenAPI document. */
  @Get('openapi.json')
  async document(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await this.#send(this.files.find('openapi.json'), request, reply);
  }

  /** The same to read. */
  @Get('docs')
  async page(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    void reply.header('content-security-policy', this.#csp);
    await this.#send(this.files.page, request, reply);
  }

  async #send(file: BuiltFile | undefined, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (!file) throw new Problem('not_found', 'the documentation is not built here: npm run build makes it');
    void reply.header('cache-control', 'no-cache');
    await sendBuilt(file, request, reply);
  }
}

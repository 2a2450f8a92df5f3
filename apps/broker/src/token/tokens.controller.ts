import { Body, Controller, Header, HttpCode, HttpStatus, Post, Req } from '@nestjs/common';

import { TokenBroker } from '#token';

import { RateLimits } from '../access/rate-limits.js';
import { type CallerRequest, Needs } from '../http/caller.js';
import { tokenAnswer } from './token-answer.js';
import { TokenKeys } from './token-keys.js';
import { Tokens } from './tokens.js';
import { readInvalidationRequest, readTokenRequest } from './token-requests.js';

@Controller('v1/tokens')
@Needs('token')
export class TokensController {
  constructor(
    private readonly keys: TokenKeys,
    private readonly tokens: Tokens,
    private readonly broker: TokenBroker,
    private readonly limits: RateLimits,
  ) {}

  @Post()
  @HttpCode(HttpStatus.OK)
  @Header('Cache-Control', 'no-store')
  @Header('Content-Type', 'application/json; charset=utf-8')
  create(@Req() request: CallerRequest, @Body() body: unknown) {
    const { client, merchantVat, minValidityMs } = readTokenRequest(body);
    const key = this.keys.find(request.caller, client, merchantVat);
    const held = this.tokens.get(request, key, minValidityMs);
    return held instanceof Promise ? held.then((got) => tokenAnswer(key, got)) : tokenAnswer(key, held);
  }

  @Post('invalidate')
  @HttpCode(HttpStatus.OK)
  async invalidate(@Req() request: CallerRequest, @Body() body: unknown) {
    const { client, merchantVat, tokenId } = readInvalidationRequest(body);
    const key = this.keys.find(request.caller, client, merchantVat);
    this.limits.takeForKey(request.caller, key.subject);
    return { invalidated: await this.broker.invalidate(key, tokenId) };
  }
}

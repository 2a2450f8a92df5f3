import { Body, Controller, Header, HttpCode, HttpStatus, Post, Req } from '@nestjs/common';

import { type HeldToken, TokenBroker, type TokenKey } from '#token';

import { RateLimits } from '../access/rate-limits.js';
import { type CallerRequest, Needs } from '../http/caller.js';
import { systemClock } from '../config/system-clock.js';
import { TokenKeys } from './token-keys.js';
import { Tokens } from './tokens.js';
import { readInvalidationRequest, readTokenRequest } from './token-requests.js';

/** What each PoS V10 call must carry if the token is bound to no merchant. */
const MERCHANT_HEADER = 'x-mobilepay-merchant-vat-number';

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
  create(@Req() request: CallerRequest, @Body() body: unknown) {
    const { client, merchantVat, minValidityMs } = readTokenRequest(body);
    const key = this.keys.find(request.caller, client, merchantVat);
    const held = this.tokens.get(request, key, minValidityMs);
    return held instanceof Promise ? held.then((got) => answer(key, got)) : answer(key, held);
  }

  @Post('invalidate')
  @HttpCode(HttpStatus.OK)
  async invalidate(@Req() request: CallerRequest, @Body() body: unknown) {
    const { client, merchantVat, tokenId } = readInvalidationRequest(body);
    const key = this.keys.find(request.caller, client, merchantVat);
    this.limits.takeForKey(request.caller, key.id);
    return { invalidated: await this.broker.invalidate(key, tokenId) };
  }
}

function answer({ subject }: TokenKey, { token, expiresAtMs }: HeldToken) {
  const leftMs = expiresAtMs - systemClock.now();
  return {
    access_token: token.reveal(),
    token_type: token.tokenType,
    expires_in: Math.floor(leftMs / 1_000),
    expires_at: new Date(Date.now() + leftMs).toISOString(),
    scope: token.scope,
    client: subject.client,
    ...(subject.merchantVat === undefined
      ? { merchant_vat_header: MERCHANT_HEADER }
      : { merchant_vat: subject.merchantVat }),
    token_id: token.tokenId,
  };
}

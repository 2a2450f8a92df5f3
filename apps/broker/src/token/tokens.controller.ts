import { Body, Controller, Header, HttpCode, HttpStatus, Post, Req } from '@nestjs/common';

import { TokenBroker, TokenError, type TokenKey } from '#token';

import { RateLimits } from '../access/rate-limits.js';
import { AuditLog } from '../audit/audit-log.js';
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
    private readonly audit: AuditLog,
  ) {}

  /** A token for a client, bound to a merchant or to none. From memory wherever possible; else MobilePay is asked once for
   *  all who wait. */
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

  /** Drops a token that PoS V10 answered 401 to, everywhere, if it is still the current one. One
   *  that was got with a `scope` of its own is none. A service may call a token bad
   *  that it may have; an admin any, and that is an act of an administrator. */
  @Post('invalidate')
  @Needs('token', 'admin')
  @HttpCode(HttpStatus.OK)
  async invalidate(@Req() request: CallerRequest, @Body() body: unknown) {
    const { client, merchantVat, tokenId } = readInvalidationRequest(body);
    const { caller } = request;
    const isAdmin = caller.roles.includes('admin');
    const key = isAdmin ? this.keys.get(client, merchantVat) : this.keys.find(caller, client, merchantVat);
    this.limits.takeForKey(caller, key.subject);
    const invalidating = this.broker.invalidate(key, tokenId);
    return { invalidated: await (isAdmin ? this.#noted(request, key, tokenId, invalidating) : invalidating) };
  }

  /** One that failed may have had its effect all the same. An id that was no current token's is not repeated. */
  async #noted(
    { caller, ip }: CallerRequest,
    { subject }: TokenKey,
    tokenId: string,
    invalidating: Promise<boolean>,
  ): Promise<boolean> {
    const write = (outcome: object) =>
      this.audit.write('token.invalidated', {
        by: caller.name,
        address: ip,
        subject: subject.client,
        merchant_vat: subject.merchantVat,
        ...outcome,
      });
    try {
      const invalidated = await invalidating;
      write({ token_id: invalidated ? tokenId : null, invalidated });
      return invalidated;
    } catch (error) {
      write({ token_id: null, failed: error instanceof TokenError ? error.code : 'internal_error' });
      throw error;
    }
  }
}

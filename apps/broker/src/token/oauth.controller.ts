import { Body, Controller, Header, HttpCode, HttpStatus, Post, Req } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';

import { NeedsOAuthClient, type OAuthRequest } from '../http/caller.js';
import { oauthAnswer } from './token-answer.js';
import { TokenKeys } from './token-keys.js';
import { Tokens } from './tokens.js';
import { readGrantRequest } from './token-requests.js';

/** A token endpoint like MobilePay's own (RFC 6749 §4.4): any OAuth client works with it, by its host and secret alone. */
@Controller()
@NeedsOAuthClient('token')
export class OAuthController {
  constructor(
    private readonly keys: TokenKeys,
    private readonly tokens: Tokens,
  ) {}

  /** A token for a client, by the grant `client_credentials`. Basic, or `client_id` and `client_secret` in the form. */
  @Post(['connect/token', 'integrator-authentication/connect/token'])
  @RouteConfig({ oauth: true })
  @HttpCode(HttpStatus.OK)
  @Header('Cache-Control', 'no-store')
  @Header('Pragma', 'no-cache')
  @Header('Content-Type', 'application/json; charset=utf-8')
  async token(@Req() request: OAuthRequest, @Body() form: URLSearchParams) {
    const { merchantVat, scope } = readGrantRequest(form);
    const key = this.keys.find(request.caller, request.oauthClient, merchantVat, scope);
    return oauthAnswer(await this.tokens.get(request, key, 0));
  }
}

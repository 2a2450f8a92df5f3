import { Body, Controller, Header, HttpCode, HttpStatus, Logger, Param, Post, Req } from '@nestjs/common';
import { decodeJwt } from 'jose';

import { IssuerError } from '#token';
import { type ClientRecord, type ClientSecret, noteSecret, Vault, VaultError } from '#vault';

import { type CallerRequest, Needs } from '../http/caller.js';
import { Problem } from '../http/problem.js';
import { validated, validName } from '../http/validated.js';
import { originOf } from '../tracing/call-origin.js';
import { Grants, type WantedGrant } from '../upstream/grants.js';
import { Acts } from '../vault/acts.js';
import { TestBody } from './client-test.dto.js';

/** The claims of a token that are shown: none of them is a secret. */
const SHOWN_CLAIMS = ['iss', 'aud', 'client_id', 'merchant_vat', 'scope', 'exp', 'iat'];

/** Tries a client's secrets at MobilePay, without touching any cached token. */
@Controller('v1/clients')
@Needs('admin')
export class ClientTestController {
  readonly #log = new Logger('vault');

  constructor(
    private readonly vault: Vault,
    private readonly grants: Grants,
    private readonly acts: Acts,
  ) {}

  /** One real grant for each of a client's secrets, not cached: whether MobilePay accepts it, and the claims of the token. */
  @Post(':name/test')
  @HttpCode(HttpStatus.OK)
  @Header('Cache-Control', 'no-store')
  async test(
    @Param('name', validName) name: string,
    @Body(validated) { merchant_vat }: TestBody,
    @Req() request: CallerRequest,
  ) {
    const client = this.vault.findClient(name);
    if (!client) throw new Problem('not_found', `there is no client ${name}`);
    const tokenUrl = this.grants.urlOf(client.environment);
    const wanted = { tokenUrl, merchantVat: merchant_vat, origin: originOf(request) };
    const tries = await Promise.allSettled(client.secrets.map((secret) => this.#tried(client, secret, wanted)));
    // Each was shown to MobilePay, whatever came of it.
    const shown = tries.map((each, i) =>
      each.status === 'fulfilled' ? each.value : { ...failedTry(client.secrets[i]), code: 'internal_error' },
    );
    this.acts.writeTest(request, name, shown, merchant_vat);
    const secrets = tries.map((each) => {
      if (each.status === 'rejected') throw each.reason;
      return each.value;
    });
    return { client: name, merchant_vat, accepted: secrets.some(({ accepted }) => accepted), secrets };
  }

  /** One grant, once, and what it showed. What MobilePay said of the secret is remembered. */
  async #tried(client: ClientRecord, { secret }: ClientSecret, wanted: WantedGrant) {
    const startedAt = performance.now();
    const { fingerprint } = secret;
    const took = () => ({ fingerprint, took_ms: Math.round(performance.now() - startedAt) });
    try {
      const { token, lifeMs, opaque } = await this.grants.request(
        { ...client, clientSecret: secret },
        wanted,
        undefined,
        0,
      );
      await this.#note(client.name, fingerprint, true);
      const claims = opaque ? null : shownClaims(token.reveal());
      return {
        ...took(),
        accepted: true as const,
        expires_in: Math.floor(lifeMs / 1_000),
        token_id: token.tokenId,
        claims,
      };
    } catch (error) {
      if (!(error instanceof IssuerError)) throw error;
      if (error.scope === 'credentials') await this.#note(client.name, fingerprint, false);
      return { ...took(), accepted: false as const, code: error.code, detail: error.message };
    }
  }

  async #note(name: string, fingerprint: string, accepted: boolean): Promise<void> {
    try {
      await this.vault.changeClient(name, (current, at) => current && noteSecret(current, fingerprint, accepted, at));
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      this.#log.warn({ event: 'secret_not_noted', client: name, code: error.code });
    }
  }
}

function failedTry(tried: ClientSecret | undefined) {
  return { fingerprint: tried?.secret.fingerprint ?? '', accepted: false };
}

function shownClaims(token: string): Record<string, unknown> {
  const claims = decodeJwt(token);
  return Object.fromEntries(SHOWN_CLAIMS.filter((name) => name in claims).map((name) => [name, claims[name]]));
}

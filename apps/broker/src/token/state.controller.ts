import { Controller, Get, Header, Query, UsePipes } from '@nestjs/common';

import type { HeldToken, KeyReport, SharedFailure, UpstreamReport } from '#token';

import { Needs } from '../http/caller.js';
import { validatedQuery } from '../http/validated.js';
import { ExplainQuery, ListQuery } from './state.dto.js';
import { TokenKeys } from './token-keys.js';
import { TokenState } from './token-state.js';

/** What operators see of the tokens: everything but the tokens. */
@Controller('v1/tokens')
@Needs('ops')
@UsePipes(validatedQuery)
export class StateController {
  constructor(
    private readonly state: TokenState,
    private readonly keys: TokenKeys,
  ) {}

  /** What is cached, a page at a time. Never a token. */
  @Get()
  @Header('Cache-Control', 'no-store')
  async list(@Query() { client, merchant_vat, state, limit, cursor }: ListQuery) {
    const after = cursor === undefined ? undefined : Buffer.from(cursor, 'base64url').toString();
    const { items, next } = await this.state.list({ client, merchantVat: merchant_vat, state, limit, after });
    return {
      items: items.map((report) => this.#shownKey(report)),
      ...(next !== undefined && { next_cursor: Buffer.from(next).toString('base64url') }),
    };
  }

  /** One key: where the next answer would come from, and why. */
  @Get('explain')
  @Header('Cache-Control', 'no-store')
  async explain(@Query() { client, merchant_vat }: ExplainQuery) {
    const key = this.keys.get(client, merchant_vat);
    const { memory, leftMs, shared, next } = await this.state.explain(key);
    const { held, isRefreshing, failure } = memory;
    return {
      client,
      merchant_vat,
      next_answer: next,
      memory: {
        token: held && leftMs !== undefined ? shownHeld(held, leftMs) : null,
        refreshing: isRefreshing,
        failure: failure ? { code: failure.code, detail: failure.message } : null,
      },
      ...('away' in shared
        ? { away: shared.away, shared: null, upstream: null }
        : { shared: this.#shownKey(shared.key), upstream: shownUpstream(shared.upstream) }),
    };
  }

  #shownKey(report: KeyReport) {
    const { subject, token, lease, failure } = report;
    return {
      client: subject.client,
      merchant_vat: subject.merchantVat,
      scope: subject.scope,
      environment: subject.environment,
      credential_generation: subject.credentialGeneration,
      state: this.state.stateOf(report),
      seconds_left: token ? Math.floor(token.remainingMs / 1_000) : 0,
      generation: token?.generation,
      token_id: token?.tokenId,
      refreshed_by: token?.refreshedBy && replicaOf(token.refreshedBy),
      refreshed_at: token && new Date(Date.now() - token.lifeMs + token.remainingMs).toISOString(),
      lease: lease && { replica: replicaOf(lease.owner), seconds_left: inSeconds(lease.remainingMs) },
      last_error: failure && { ...shownFailure(failure), in_a_row: failure.inARow },
    };
  }
}

function shownHeld({ token, generation }: HeldToken, leftMs: number) {
  return { token_id: token.tokenId, generation, seconds_left: Math.floor(leftMs / 1_000) };
}

function shownFailure({ code, message, scope, remainingMs }: SharedFailure) {
  return { code, detail: message, scope, retry_after: inSeconds(remainingMs) };
}

function shownUpstream({ heldBack, calls, breaker }: UpstreamReport) {
  return {
    held_back: heldBack ? shownFailure(heldBack) : null,
    calls_under_way: calls,
    breaker: { state: breaker.state, failures: breaker.failures, retry_after: inSeconds(breaker.remainingMs) },
  };
}

/** The owner of a lease is `replica/attempt`. */
function replicaOf(owner: string): string {
  return owner.slice(0, Math.max(0, owner.lastIndexOf('/')));
}

function inSeconds(ms: number): number {
  return Math.ceil(ms / 1_000);
}

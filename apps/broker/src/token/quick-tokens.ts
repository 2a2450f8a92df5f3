import type { IncomingMessage } from 'node:http';

import { Injectable, Logger } from '@nestjs/common';

import { type HeldToken, TokenBroker, type TokenKey } from '#token';

import { CallerGuard } from '../access/caller.guard.js';
import { Callers } from '../access/callers.js';
import { readClientCredentials } from '../access/client-credentials.js';
import { RateLimits } from '../access/rate-limits.js';
import type { Caller } from '../http/caller.js';
import type { Front } from '../http/front.js';
import { OAuthProblem, Problem } from '../http/problem.js';
import { oauthAnswer, tokenAnswer } from './token-answer.js';
import { TokenKeys } from './token-keys.js';
import { readGrantRequest, readTokenRequest } from './token-requests.js';
import { Tokens } from './tokens.js';

/**
 * The hot path: gives a token from memory to a caller who is known at once, before Nest and Fastify have seen the request.
 * Each check is the one that the controllers and the guard make. Where one of them refuses, or a token is not in memory, the
 * request takes the whole way, which says why.
 */
@Injectable()
export class QuickTokens {
  readonly #log = new Logger('http');

  constructor(
    private readonly guard: CallerGuard,
    private readonly callers: Callers,
    private readonly keys: TokenKeys,
    private readonly broker: TokenBroker,
    private readonly limits: RateLimits,
    private readonly tokens: Tokens,
  ) {}

  serveFrom(front: Front): void {
    front.serve('/v1/tokens', {
      contentType: 'application/json',
      headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
      answer: (request, body) => this.#unlessRefused(() => this.answerJson(request, body)),
    });
    for (const path of ['/connect/token', '/integrator-authentication/connect/token']) {
      front.serve(path, {
        contentType: 'application/x-www-form-urlencoded',
        headers: {
          'content-type': 'application/json; charset=utf-8',
          'cache-control': 'no-store',
          pragma: 'no-cache',
        },
        answer: (request, body) => this.#unlessRefused(() => this.answerForm(request, body)),
      });
    }
  }

  /** `POST /v1/tokens`.
   *  @throws Problem */
  answerJson(request: IncomingMessage, body: string): string | undefined {
    const caller = this.guard.bearerAtOnce(request.headers, request.socket);
    if (!caller) return undefined;
    const { client, merchantVat, minValidityMs } = readTokenRequest(JSON.parse(body));
    const key = this.keys.find(caller, client, merchantVat);
    const held = this.#give(request, caller, key, minValidityMs);
    return held && tokenAnswer(key, held);
  }

  /** `POST /connect/token`.
   *  @throws Problem, OAuthProblem */
  answerForm(request: IncomingMessage, body: string): string | undefined {
    const form = new URLSearchParams(body);
    const presented = readClientCredentials({ headers: request.headers, body: form });
    const caller = this.callers.atOnce(presented.key);
    if (!caller) return undefined;
    const { merchantVat, scope } = readGrantRequest(form);
    const key = this.keys.find(caller, presented.client, merchantVat, scope);
    const held = this.#give(request, caller, key, 0);
    return held && oauthAnswer(held);
  }

  #give({ socket }: IncomingMessage, caller: Caller, key: TokenKey, minValidityMs: number): HeldToken | undefined {
    // Whoever asks too much does not keep a token in use either.
    const held = this.limits.hasRoom(caller) ? this.broker.find(key, minValidityMs) : undefined;
    if (!held) return undefined;
    // Not before: whoever takes the whole way is counted there.
    this.limits.take(caller);
    this.tokens.note({ caller, socket }, key, held, 'memory');
    return held;
  }

  /** What is refused is said by the whole way, which comes to the same. */
  #unlessRefused(answer: () => string | undefined): string | undefined {
    try {
      return answer();
    } catch (error) {
      const isRefusal = error instanceof Problem || error instanceof OAuthProblem || error instanceof SyntaxError;
      if (!isRefusal) this.#log.error({ event: 'internal_error', error });
      return undefined;
    }
  }
}

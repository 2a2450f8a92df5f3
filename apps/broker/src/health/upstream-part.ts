import { Inject, Injectable } from '@nestjs/common';

import { StoreAwayError, type TokenStore, type UpstreamReport } from '#token';
import { type Environment, ENVIRONMENTS, Vault } from '#vault';

import { systemClock } from '../config/system-clock.js';
import { TokenKeys } from '../token/token-keys.js';
import { TOKEN_STORE } from '../token/token-state.js';
import { type UpstreamCall, UpstreamCalls } from '../upstream/upstream-calls.js';
import type { HealthPart, PartFacts } from './health-part.js';

type Breaker = UpstreamReport['breaker'];

/** What says that MobilePay did not answer, or not so that it can be used. Every other refusal is an answer. */
const NO_ANSWER: ReadonlySet<UpstreamCall['result']> = new Set(['upstream_unavailable', 'upstream_invalid']);
/** A failure of longer ago says nothing of now, in ms. */
const FAILING_FOR_MS = 300_000;

interface Calls {
  success?: { readonly at: string };
  failure?: { readonly at: string; readonly atMs: number; readonly code: string; readonly detail: string | undefined };
  isLastFailed: boolean;
}

/** How this replica's calls to MobilePay went, and what all replicas have made of theirs, for each environment in which
 *  there is a client. */
@Injectable()
export class UpstreamPart implements HealthPart {
  readonly name = 'upstream';
  readonly #calls = new Map<Environment, Calls>();
  #breakers: ReadonlyMap<Environment, Breaker | undefined> = new Map();

  constructor(
    calls: UpstreamCalls,
    private readonly vault: Vault,
    private readonly keys: TokenKeys,
    @Inject(TOKEN_STORE) private readonly store: TokenStore,
  ) {
    calls.subscribe((call) => this.#note(call));
  }

  /** As the last look has found them; undefined where the store that knows is away. */
  get breakers(): ReadonlyMap<Environment, Breaker | undefined> {
    return this.#breakers;
  }

  async look(): Promise<PartFacts> {
    const { clients } = this.vault;
    const used = ENVIRONMENTS.flatMap((environment) => {
      const client = clients.find((each) => each.environment === environment);
      return client ? [{ environment, client: client.name }] : [];
    });
    // One client stands for all: the breaker is the environment's.
    const asked = used.map(async ({ environment, client }) => [environment, await this.#breakerFor(client)] as const);
    this.#breakers = new Map(await Promise.all(asked));
    const reasons = [...this.#breakers].flatMap(([environment, breaker]) => this.#reasonOf(environment, breaker));
    return {
      ...(reasons.length > 0 && { reason: reasons.join(', ') }),
      ...Object.fromEntries([...this.#breakers].map(([each, breaker]) => [each, this.#shown(each, breaker)])),
    };
  }

  async #breakerFor(client: string): Promise<Breaker | undefined> {
    try {
      return (await this.store.inspectUpstream(this.keys.get(client, undefined))).breaker;
    } catch (error) {
      if (!(error instanceof StoreAwayError)) throw error;
      return undefined;
    }
  }

  #reasonOf(environment: Environment, breaker: Breaker | undefined): string[] {
    if (breaker && breaker.state !== 'closed') return [`${environment}: the breaker is ${breaker.state}`];
    const { failure, isLastFailed } = this.#calls.get(environment) ?? {};
    const isFailing = isLastFailed && failure && systemClock.now() - failure.atMs < FAILING_FOR_MS;
    return isFailing ? [`${environment}: ${failure.code}`] : [];
  }

  #shown(environment: Environment, breaker: Breaker | undefined) {
    const { success, failure } = this.#calls.get(environment) ?? {};
    return {
      breaker: breaker?.state ?? 'unknown',
      failures_in_a_row: breaker?.failures,
      last_success_at: success?.at,
      last_failure: failure && { at: failure.at, code: failure.code, detail: failure.detail },
    };
  }

  #note({ environment, result, detail }: UpstreamCall): void {
    if (environment === undefined) return;
    const calls: Calls = this.#calls.get(environment) ?? { isLastFailed: false };
    const at = new Date().toISOString();
    calls.isLastFailed = NO_ANSWER.has(result);
    if (calls.isLastFailed) calls.failure = { at, atMs: systemClock.now(), code: result, detail };
    else calls.success = { at };
    this.#calls.set(environment, calls);
  }
}

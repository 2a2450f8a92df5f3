import { Injectable } from '@nestjs/common';

import type { HeldToken, TokenKey } from '#token';

import { AuditLog } from '../audit/audit-log.js';
import type { Caller } from '../http/caller.js';

/** Tokens whose holders are remembered, and once more as many that nobody was given since those were; and holders of one
 *  of them. What is forgotten is written down once more. */
const MOST_TOKENS = 200_000;
const MOST_CALLERS = 10_000;

/** Most tokens have one holder, whose name is in memory anyway, or a few: a set for each would take 150 bytes more. */
type Callers = string | string[] | Set<string>;
const FEW = 8;

/** Who takes a token, and over which connection. */
export interface Taker {
  readonly caller: Pick<Caller, 'name'>;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** Writes down who has had which token: once for each caller and token, however often it is asked for. */
@Injectable()
export class GivenTokens {
  /** By the token's id: a token may be read again from the shared store into another object. */
  #young = new Map<string, Callers>();
  #old = new Map<string, Callers>();

  constructor(private readonly log: AuditLog) {
    // Nobody knows which lines were lost.
    log.onRecovery(() => {
      this.#young.clear();
      this.#old.clear();
    });
  }

  /** @param source `memory`, or where the token came from for this very request */
  note(taker: Taker, key: TokenKey, held: HeldToken, source: 'memory' | HeldToken['source']): void {
    const callers = this.#young.get(held.token.tokenId);
    if (callers === undefined || !has(callers, taker.caller.name)) this.#meet(taker, key, held, source);
  }

  #meet({ caller, socket }: Taker, { subject }: TokenKey, held: HeldToken, source: string): void {
    const { tokenId } = held.token;
    const callers = this.#young.get(tokenId) ?? this.#old.get(tokenId);
    const isKnown = callers !== undefined && has(callers, caller.name);
    this.#keep(tokenId, isKnown ? callers : withOneMore(callers, caller.name));
    if (isKnown) return;
    this.log.write('token.given', {
      caller: caller.name,
      client: subject.client,
      merchant_vat: subject.merchantVat,
      scope: subject.scope,
      token_id: tokenId,
      generation: held.generation,
      source,
      address: socket.remoteAddress,
    });
  }

  #keep(tokenId: string, callers: Callers): void {
    if (this.#young.size >= MOST_TOKENS) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(tokenId, callers);
  }
}

function has(callers: Callers, name: string): boolean {
  if (typeof callers === 'string') return callers === name;
  return Array.isArray(callers) ? callers.includes(name) : callers.has(name);
}

function withOneMore(callers: Callers | undefined, name: string): Callers {
  if (callers === undefined) return name;
  if (typeof callers === 'string') return [callers, name];
  if (Array.isArray(callers)) return callers.length < FEW ? [...callers, name] : new Set([...callers, name]);
  if (callers.size >= MOST_CALLERS) callers.clear();
  return callers.add(name);
}

import { Injectable } from '@nestjs/common';

import { type Place, Sealer, VaultError } from '#vault';

import { BrokerConfig } from '../config/broker-config.js';
import type { Caller } from '../http/caller.js';
import { Callers } from './callers.js';

/** How long somebody is signed in at most, in ms. */
const LONGEST_MS = 8 * 3_600_000;
const PLACE: Place = { purpose: 'session', record: 'session', version: 1 };

interface Sealed {
  readonly key: string;
  /** ms since 1970. */
  readonly endsAtMs: number;
}

/** Somebody who is signed in. */
export interface Session {
  readonly caller: Caller;
  /** At the latest, in ms since 1970. */
  readonly endsAtMs: number;
}

/** Whether a caller may sign in. */
export function mayWatch({ roles }: Caller): boolean {
  return roles.includes('ops');
}

/**
 * People who are signed in. Nothing of it is kept here: a session is the person's key, sealed, in a cookie. Every replica
 * opens it, and judges the key with each request as if it had been sent.
 */
@Injectable()
export class Sessions {
  readonly #sealer: Sealer;

  constructor(
    private readonly callers: Callers,
    { vaultKeys }: BrokerConfig,
  ) {
    this.#sealer = new Sealer(vaultKeys);
  }

  /** @param key a caller key or a JWT that was authenticated just now */
  async begin(key: string): Promise<{ readonly sealed: string; readonly endsAtMs: number }> {
    const endsAtMs = Math.min(Date.now() + LONGEST_MS, this.callers.endOf(key));
    return { sealed: await this.#sealer.seal(JSON.stringify({ key, endsAtMs } satisfies Sealed), PLACE), endsAtMs };
  }

  /** @returns undefined if it is none of ours, or has ended: by time, with its key or its caller's right to sign in, or
   *  with the master key that it was sealed under */
  async find(sealed: string): Promise<Session | undefined> {
    const opened = await this.#open(sealed);
    if (!opened || opened.endsAtMs <= Date.now()) return undefined;
    const caller = await this.callers.authenticate(opened.key);
    return caller && mayWatch(caller) ? { caller, endsAtMs: opened.endsAtMs } : undefined;
  }

  async #open(sealed: string): Promise<Sealed | undefined> {
    try {
      // What was sealed for this place is what we sealed.
      const opened: Sealed = JSON.parse(await this.#sealer.open(sealed, PLACE));
      return opened;
    } catch (error) {
      if (error instanceof VaultError) return undefined;
      throw error;
    }
  }
}

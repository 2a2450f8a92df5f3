import { Injectable } from '@nestjs/common';

import type { TokenEvent, TokenSubject } from '#token';
import { Vault } from '#vault';

import { systemClock } from '../config/system-clock.js';
import { TokenEvents } from '../token/token-events.js';
import { TokenKeys } from '../token/token-keys.js';

/** After that long without another refusal nobody asks for the client any more, in ms. Longer than a refusal cools. */
const BELIEVED_FOR_MS = 1_200_000;

interface Rejection {
  readonly subject: TokenSubject;
  /** The key whose refresh failed. */
  readonly id: string;
  readonly atMs: number;
}

/** Clients whose credentials MobilePay refused, as this replica saw it, and has not accepted since. */
@Injectable()
export class RejectedClients {
  readonly #rejections = new Map<string, Rejection>();

  constructor(
    events: TokenEvents,
    private readonly vault: Vault,
    private readonly keys: TokenKeys,
  ) {
    events.subscribe((event) => this.#note(event));
  }

  get count(): number {
    for (const [client, rejection] of this.#rejections) {
      if (!this.#holds(client, rejection)) this.#rejections.delete(client);
    }
    return this.#rejections.size;
  }

  /** No longer than the credentials stay as they were: another secret is another chance. */
  #holds(client: string, { subject, atMs }: Rejection): boolean {
    if (systemClock.now() - atMs >= BELIEVED_FOR_MS || !this.vault.findClient(client)) return false;
    const now = this.keys.get(client, undefined).subject;
    return now.credentialGeneration === subject.credentialGeneration && now.credentialState === subject.credentialState;
  }

  #note(event: TokenEvent): void {
    switch (event.kind) {
      case 'failed': {
        const { subject, id } = event.key;
        if (event.code !== 'credentials_rejected') break;
        this.#rejections.set(subject.client, { subject, id, atMs: systemClock.now() });
        break;
      }
      case 'refreshed':
        this.#rejections.delete(event.key.subject.client);
        break;
      case 'lease': {
        const { subject, id } = event.key;
        // Another replica has got the token that this one did not get.
        if (event.outcome === 'hit' && this.#rejections.get(subject.client)?.id === id) {
          this.#rejections.delete(subject.client);
        }
        break;
      }
      case 'duplicate':
      case 'lease_lost':
      case 'lease_unused':
      case 'invalidation':
      case 'fault':
        break;
      default:
        event satisfies never;
    }
  }
}

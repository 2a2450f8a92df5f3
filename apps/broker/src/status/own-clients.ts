import { Injectable } from '@nestjs/common';

import type { ClientVerdict } from '#cluster';
import type { TokenEvent } from '#token';
import { Vault } from '#vault';

import { systemClock } from '../config/system-clock.js';
import { TokenEvents } from '../token/token-events.js';

/** After that long without another refusal nobody asks for the client any more, in ms. Longer than a refusal cools. */
const REFUSED_FOR_MS = 1_200_000;
const MOST_REMEMBERED = 1_000;
const MOST_TOLD = 20;

interface Verdict {
  readonly environment: string;
  readonly generation: number;
  readonly atMs: number;
}

/** What MobilePay last said of each client's credentials, as this replica saw it. */
@Injectable()
export class OwnClients {
  readonly #rejected = new Map<string, Verdict>();
  readonly #accepted = new Map<string, Verdict>();

  constructor(
    events: TokenEvents,
    private readonly vault: Vault,
  ) {
    events.subscribe((event) => this.#note(event));
  }

  /** Those that were refused and have the same credentials still; the newest first. */
  get rejected(): ClientVerdict[] {
    const now = systemClock.now();
    const still = [...this.#rejected].filter(([client, { generation, atMs }]) => {
      const record = this.vault.findClient(client);
      return now - atMs < REFUSED_FOR_MS && record?.enabled && record.generation === generation;
    });
    return told(still.toReversed());
  }

  /** Those of the clients given that were accepted here of late: another replica may not have heard of it. */
  acceptedOf(clients: Iterable<string>): ClientVerdict[] {
    return told(
      [...clients].flatMap((client) => {
        const verdict = this.#accepted.get(client);
        return verdict ? [[client, verdict] as const] : [];
      }),
    );
  }

  #note(event: TokenEvent): void {
    if (event.kind !== 'refreshed' && !(event.kind === 'failed' && event.code === 'credentials_rejected')) return;
    const { client, environment, credentialGeneration: generation } = event.key.subject;
    const [to, from] = event.kind === 'refreshed' ? [this.#accepted, this.#rejected] : [this.#rejected, this.#accepted];
    from.delete(client);
    // Anew, so that the oldest stand first.
    to.delete(client);
    to.set(client, { environment, generation, atMs: systemClock.now() });
    const [oldest] = to.keys();
    if (to.size > MOST_REMEMBERED && oldest !== undefined) to.delete(oldest);
  }
}

function told(verdicts: readonly (readonly [string, Verdict])[]): ClientVerdict[] {
  const now = systemClock.now();
  return verdicts
    .slice(0, MOST_TOLD)
    .map(([client, { environment, atMs }]) => ({ client, environment, agoMs: now - atMs }));
}

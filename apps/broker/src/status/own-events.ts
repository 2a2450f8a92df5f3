import { randomUUID } from 'node:crypto';

import { Injectable } from '@nestjs/common';

import { type BoardEvent, paceOf } from '#cluster';
import type { TokenEvent, TokenKey } from '#token';

import { REPLICA_NAME } from '../config/replica-name.js';
import { systemClock } from '../config/system-clock.js';
import { TokenEvents } from '../token/token-events.js';
import { type ActOnClient, Acts } from '../vault/acts.js';
import { type Happening, Repeats } from './repeats.js';

/** What happens on this replica, as the timeline tells it. */
@Injectable()
export class OwnEvents {
  readonly #repeats = new Repeats(
    systemClock,
    (event) => this.#pass(event),
    () => this.mostRefreshes,
  );
  /** Names of processes come back: what they write must not. */
  readonly #run = randomUUID().slice(0, 8);
  #count = 0;
  /** So many are told one by one in a minute; see pace.ts. */
  mostRefreshes = paceOf([]).refreshesPerMinute;
  onEvent: (event: BoardEvent) => void = () => {};

  constructor(events: TokenEvents, acts: Acts) {
    events.subscribe((event) => {
      const happening = happeningOf(event);
      if (happening) this.#repeats.note(happening);
    });
    acts.subscribe((act) => this.#repeats.note(happeningOfAct(act)));
  }

  #pass(event: Happening): void {
    this.onEvent({ id: `${REPLICA_NAME}/${this.#run}-${(this.#count += 1)}`, replica: REPLICA_NAME, ...event });
  }
}

/** @returns undefined for what is no news to an operator */
function happeningOf(event: TokenEvent): Happening | undefined {
  switch (event.kind) {
    case 'refreshed': {
      const { cause, tookMs, tokenId, generation, lifeMs, alone } = event;
      return {
        kind: 'refreshed',
        ...about(event.key),
        cause,
        took_ms: Math.round(tookMs),
        token_id: tokenId,
        generation,
        life_seconds: Math.floor(lifeMs / 1_000),
        ...(alone && { detail: 'without a lease, because Redis was away' }),
      };
    }
    case 'failed': {
      const { cause, tookMs, code, message, coolingMs } = event;
      const retry_after = Math.ceil(coolingMs / 1_000);
      return {
        kind: 'failed',
        ...about(event.key),
        cause,
        took_ms: Math.round(tookMs),
        code,
        retry_after,
        detail: message,
      };
    }
    case 'invalidation':
      if (event.outcome !== 'invalidated') return undefined;
      return { kind: 'invalidated', ...about(event.key), token_id: event.tokenId };
    case 'duplicate':
    case 'lease':
    case 'lease_lost':
    case 'lease_unused':
    case 'fault':
      return undefined;
    default:
      return event satisfies never;
  }
}

const WORDS: Readonly<Record<ActOnClient['act'], string>> = {
  created: 'created',
  replaced: 'replaced',
  imported: 'imported',
  enabled: 'switched on',
  disabled: 'switched off',
  deleted: 'deleted',
  secret_added: 'a secret was added',
  secret_retired: 'a secret was retired',
};

function happeningOfAct({ act, client, environment, hasOtherSecrets, by }: ActOnClient): Happening {
  return {
    kind: hasOtherSecrets ? 'rotated' : 'client_changed',
    client,
    ...(environment !== undefined && { environment }),
    detail: WORDS[act],
    caller: by,
  };
}

function about({ subject: { client, merchantVat, environment } }: TokenKey) {
  return { client, environment, ...(merchantVat !== undefined && { merchant_vat: merchantVat }) };
}

import { Logger } from '@nestjs/common';

import type { TokenEvent, TokenKey } from '#token';

const log = new Logger('token');

/** Tells the log what the core did: by client and key, never with a token. */
export function logEvent(event: TokenEvent): void {
  switch (event.kind) {
    case 'refreshed': {
      const { cause, tokenId, lifeMs, tookMs, alone } = event;
      log.log({ ...about(event), cause, alone, token_id: tokenId, life_ms: lifeMs, took_ms: Math.round(tookMs) });
      break;
    }
    case 'failed': {
      const { cause, code, message, coolingMs, tookMs, alone } = event;
      const times = { cooling_ms: Math.round(coolingMs), took_ms: Math.round(tookMs) };
      log.warn({ ...about(event), cause, alone, code, reason: message, ...times });
      break;
    }
    case 'lease':
      break;
    case 'lease_lost':
    case 'lease_unused':
      log.warn(about(event));
      break;
    case 'duplicate':
      log.warn({ ...about(event), token_id: event.tokenId });
      break;
    case 'invalidation':
      log.log({ ...about(event), token_id: event.tokenId, outcome: event.outcome });
      break;
    case 'fault':
      log.error({ ...about(event), error: event.error });
      break;
    default:
      event satisfies never;
  }
}

function about({ kind, key }: { kind: TokenEvent['kind']; key?: TokenKey }) {
  const { client, merchantVat } = key?.subject ?? {};
  return { event: `token_${kind}`, client, merchant_vat: merchantVat, key: key?.id };
}

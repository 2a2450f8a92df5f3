import { Logger } from '@nestjs/common';

import type { Origin, TokenEvent, TokenKey } from '#token';

import { traceIdOf } from '../tracing/call-origin.js';

type LeaseEvent = Extract<TokenEvent, { kind: 'lease' }>;

const log = new Logger('token');
/** How each refresh under way got its lease. */
const leases = new WeakMap<Origin, LeaseEvent>();

/** Tells the log what the core did: by client and key, never with a token. */
export function logEvent(event: TokenEvent): void {
  switch (event.kind) {
    case 'refreshed': {
      const { tokenId, generation, lifeMs } = event;
      log.log({ ...about(event), ...refresh(event), token_id: tokenId, generation, life_ms: lifeMs });
      break;
    }
    case 'failed': {
      const { code, message, coolingMs } = event;
      log.warn({ ...about(event), ...refresh(event), code, reason: message, cooling_ms: Math.round(coolingMs) });
      break;
    }
    case 'lease':
      if (event.outcome === 'lead') {
        if (event.origin) leases.set(event.origin, event);
      } else {
        // No refresh of ours: the line is another replica's.
        log.debug(() => ({ ...about(event), ...cameFrom(event), ...wait(event), outcome: event.outcome }));
      }
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

/** Why a refresh happened, for whom, and how long its parts took. */
function refresh(event: Extract<TokenEvent, { kind: 'refreshed' | 'failed' }>) {
  const { origin, alone, tookMs } = event;
  const lease = origin && leases.get(origin);
  return { ...cameFrom(event), alone, took_ms: Math.round(tookMs), ...(lease && wait(lease)) };
}

function cameFrom({ cause, origin }: Extract<TokenEvent, { kind: 'refreshed' | 'failed' | 'lease' }>) {
  return { cause, correlation_id: origin?.correlationId, trace_id: origin && traceIdOf(origin) };
}

function wait({ tookMs, waited }: LeaseEvent) {
  return { lease_ms: Math.round(tookMs), waited };
}

function about({ kind, key }: { kind: TokenEvent['kind']; key?: TokenKey }) {
  const { client, merchantVat } = key?.subject ?? {};
  return { event: `token_${kind}`, client, merchant_vat: merchantVat, key: key?.id };
}

import { type Attributes, ROOT_CONTEXT, trace } from '@opentelemetry/api';

import {
  type HeldToken,
  type IssuedToken,
  TokenError,
  type TokenEvent,
  type TokenKey,
  type TokenSubject,
} from '#token';

import type { CallOrigin } from '../tracing/call-origin.js';
import { markFailed, tracer } from '../tracing/tracer.js';
import type { ServedFrom } from './served-tokens.js';

/** What a request's span says of the token that it was answered with. */
export function tokenAttributes({ subject }: TokenKey, { token }: HeldToken, from: ServedFrom): Attributes {
  return { ...about(subject), 'token_broker.token_id': token.tokenId, 'token_broker.source': from };
}

/** The span of a refresh at MobilePay, attempts and second secret included. A renewal ahead is a trace of its own.
 *  @param work gets the origin of its calls: inside of the span */
export async function inRefreshSpan(
  subject: TokenSubject,
  origin: CallOrigin | undefined,
  work: (inside: CallOrigin | undefined) => Promise<IssuedToken>,
): Promise<IssuedToken> {
  const parent = origin?.context ?? ROOT_CONTEXT;
  const attributes = {
    ...about(subject),
    'token_broker.cause': origin?.ahead ? 'ahead' : 'demand',
    'token_broker.correlation_id': origin?.correlationId,
  };
  const span = tracer.startSpan('refresh', { attributes }, parent);
  try {
    const issued = await work(origin && { ...origin, context: trace.setSpan(parent, span) });
    span.setAttribute('token_broker.token_id', issued.token.tokenId);
    return issued;
  } catch (error) {
    if (error instanceof TokenError) markFailed(span, error.code, error.message);
    else markFailed(span, 'internal_error');
    throw error;
  } finally {
    span.end();
  }
}

/** The span of the wait for a lease, made when it is over. A renewal ahead has none: nobody waits. */
export function traceLease(event: TokenEvent): void {
  if (event.kind !== 'lease') return;
  const { key, cause, outcome, tookMs, waited } = event;
  const { context }: Partial<CallOrigin> = event.origin ?? {};
  if (!context) return;
  const attributes = {
    ...about(key.subject),
    'token_broker.cause': cause,
    'token_broker.outcome': outcome,
    'token_broker.waited': waited,
  };
  const now = performance.now();
  const span = tracer.startSpan('lease', { startTime: now - tookMs, attributes }, context);
  if (outcome === 'failed') markFailed(span, 'shared_failure');
  span.end(now);
}

function about({ client, environment }: TokenSubject): Attributes {
  return { 'token_broker.client': client, 'token_broker.environment': environment };
}

import { TLSSocket } from 'node:tls';

import { parseCookie, type SetCookie, stringifySetCookie } from 'cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** A browser has it sent along; no script in a page can read it. */
export const SESSION_COOKIE = 'token_broker_session';
/** Of name and value together: more is not kept by every browser (RFC 6265 §6.1). */
const MOST_BYTES = 4_096;

/** @returns undefined if the request has none */
export function sessionIn({ headers: { cookie } }: FastifyRequest): string | undefined {
  return cookie === undefined ? undefined : parseCookie(cookie)[SESSION_COOKIE];
}

export function fitsIntoCookie(sealed: string): boolean {
  return SESSION_COOKIE.length + sealed.length <= MOST_BYTES;
}

export function setSession(request: FastifyRequest, reply: FastifyReply, sealed: string, lifeMs: number): void {
  setCookie(request, reply, { value: sealed, maxAge: Math.floor(lifeMs / 1_000) });
}

export function clearSession(request: FastifyRequest, reply: FastifyReply): void {
  setCookie(request, reply, { value: '', maxAge: 0 });
}

function setCookie(request: FastifyRequest, reply: FastifyReply, what: Pick<SetCookie, 'value' | 'maxAge'>): void {
  const secure = isSecure(request);
  void reply.header(
    'Set-Cookie',
    stringifySetCookie({ ...what, name: SESSION_COOKIE, path: '/', httpOnly: true, sameSite: 'strict', secure }),
  );
}

/** Whether the browser speaks TLS, with us or with a proxy before us. To say so falsely costs only who says it: its
 *  browser does not send the cookie back. */
function isSecure({ headers, raw }: FastifyRequest): boolean {
  const forwarded = headers['x-forwarded-proto'];
  const [first = ''] = typeof forwarded === 'string' ? forwarded.split(',', 1) : [];
  return raw.socket instanceof TLSSocket || first.trim().toLowerCase() === 'https';
}

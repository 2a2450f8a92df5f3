import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';

import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';

import type { Role } from '#vault';

import { type Access, ACCESS, type Caller, type CallerRequest, type OAuthRequest } from '../http/caller.js';
import { OAuthProblem, Problem } from '../http/problem.js';
import { Callers } from './callers.js';
import { CertificateCallers } from './certificate-callers.js';
import { readClientCredentials } from './client-credentials.js';
import { RateLimits } from './rate-limits.js';
import { clearSession, sessionIn } from './session-cookie.js';
import { Sessions } from './sessions.js';

type GuardedAccess = Exclude<Access, { kind: 'open' }>;

/** Takes all that `ADMIN_KEY` may be made of, which is more than RFC 6750 §2.1 has. */
const BEARER = /^Bearer +([\x21-\x7e]+) *$/i;

/** RFC 9110 §9.2.1, of the methods that routes have. */
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/** Lets a request pass if its caller is known and has the role that the route asks for. Every route says what it asks. */
@Injectable()
export class CallerGuard implements CanActivate {
  readonly #access = new Map<unknown, Access>();

  constructor(
    private readonly callers: Callers,
    private readonly certificates: CertificateCallers,
    private readonly sessions: Sessions,
    private readonly limits: RateLimits,
    private readonly reflector: Reflector,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const access = this.#accessTo(context);
    if (access.kind === 'open') return true;
    const request = context.switchToHttp().getRequest<CallerRequest>();
    if (access.kind === 'bearer' && request.headers.authorization === undefined) {
      const roles = access.roles.filter((role) => role !== 'token');
      const sealed = roles.length > 0 ? sessionIn(request) : undefined;
      if (sealed !== undefined) return this.#bySession(context, sealed, { kind: 'bearer', roles });
    }
    const found = access.kind === 'oauth' ? this.#oauthCaller(request) : this.#bearer(request);
    // Only a JWT that was not seen before takes a while.
    if (found instanceof Promise) return found.then((caller) => this.#admit(request, access, caller));
    return this.#admit(request, access, found);
  }

  /** Whether a request that was let in some time ago would be let in now: for an answer that goes on and on.
   *  @param role what its route asks for */
  async stillMay(request: CallerRequest, role: Exclude<Role, 'token'>): Promise<boolean> {
    const sealed = request.headers.authorization === undefined ? sessionIn(request) : undefined;
    const session = sealed === undefined ? undefined : await this.sessions.find(sealed);
    const caller = sealed === undefined ? await this.#bearer(request) : session?.caller;
    return caller !== undefined && caller.roles.includes(role);
  }

  /** Who bears a key, a JWT or a certificate, if that can be told at once. On the hot path: it takes no session. */
  bearerAtOnce({ authorization }: IncomingHttpHeaders, socket: Socket): Caller | undefined {
    if (authorization === undefined) return this.certificates.find(socket);
    const key = BEARER.exec(authorization)?.[1];
    return key === undefined ? undefined : this.callers.atOnce(key);
  }

  #accessTo(context: ExecutionContext): Access {
    const handler = context.getHandler();
    let access = this.#access.get(handler);
    if (!access) {
      access = this.reflector.getAllAndOverride<Access | undefined>(ACCESS, [handler, context.getClass()]);
      if (!access) throw new Error(`${context.getClass().name}.${handler.name} does not say whom it serves`);
      this.#access.set(handler, access);
    }
    return access;
  }

  #admit(request: CallerRequest, { kind, roles }: GuardedAccess, caller: Caller | undefined): true {
    if (!caller) {
      throw kind === 'oauth'
        ? new OAuthProblem('invalid_client', 'the client secret must be a valid caller key or JWT')
        : new Problem('unauthenticated', 'the caller key or JWT is unknown, wrong, revoked or expired');
    }
    request.caller = caller;
    this.limits.take(caller);
    if (!hasOneOf(caller, roles)) {
      const detail = `this needs the role ${roles.map((role) => `"${role}"`).join(' or ')}`;
      throw kind === 'oauth' ? new OAuthProblem('unauthorized_client', detail) : new Problem('forbidden', detail);
    }
    return true;
  }

  /** A browser sends the cookie along whoever made it ask: what changes something must bear a header that no page from
   *  elsewhere can set. */
  async #bySession(context: ExecutionContext, sealed: string, access: GuardedAccess): Promise<true> {
    const request = context.switchToHttp().getRequest<CallerRequest>();
    if (!SAFE_METHODS.has(request.method) && request.headers['x-token-broker'] !== 'dashboard') {
      throw new Problem('forbidden', 'a session changes something only with the header x-token-broker: dashboard');
    }
    const session = await this.sessions.find(sealed);
    if (!session) {
      clearSession(request, context.switchToHttp().getResponse<FastifyReply>());
      throw new Problem('unauthenticated', 'the session has ended: sign in again');
    }
    request.sessionEndsAtMs = session.endsAtMs;
    return this.#admit(request, access, session.caller);
  }

  /** What a request says of itself counts before what its connection says. */
  #bearer({ headers, raw }: FastifyRequest): Caller | undefined | Promise<Caller | undefined> {
    const { authorization } = headers;
    if (authorization !== undefined) {
      const key = BEARER.exec(authorization)?.[1];
      return key === undefined ? undefined : this.callers.authenticate(key);
    }
    const caller = this.certificates.find(raw.socket);
    if (!caller) throw new Problem('unauthenticated', 'send a caller key in the header Authorization: Bearer tbk_…');
    return caller;
  }

  #oauthCaller(request: CallerRequest): Caller | undefined | Promise<Caller | undefined> {
    const { client, key } = readClientCredentials(request);
    Object.assign(request, { oauthClient: client } satisfies Partial<OAuthRequest>);
    return this.callers.authenticate(key);
  }
}

/** On the hot path. */
function hasOneOf(caller: Caller, roles: readonly Role[]): boolean {
  for (const role of roles) if (caller.roles.includes(role)) return true;
  return false;
}

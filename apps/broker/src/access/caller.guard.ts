import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';

import type { Role } from '#vault';

import { type Access, ACCESS, type Caller, type CallerRequest, type OAuthRequest } from '../http/caller.js';
import { OAuthProblem, Problem } from '../http/problem.js';
import { Callers } from './callers.js';
import { readClientCredentials } from './client-credentials.js';

/** Takes all that `ADMIN_KEY` may be made of, which is more than RFC 6750 §2.1 has. */
const BEARER = /^Bearer +([\x21-\x7e]+) *$/i;

/** Lets a request pass if its caller is known and has the role that the route asks for. Every route says what it asks. */
@Injectable()
export class CallerGuard implements CanActivate {
  readonly #access = new Map<unknown, Access>();

  constructor(
    private readonly callers: Callers,
    private readonly reflector: Reflector,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const access = this.#accessTo(context);
    const request = context.switchToHttp().getRequest<CallerRequest>();
    switch (access.kind) {
      case 'open':
        return true;
      case 'bearer':
        request.caller = this.#bearer(request, access.role);
        return true;
      case 'oauth':
        Object.assign(request, this.#oauthClient(request, access.role) satisfies Partial<OAuthRequest>);
        return true;
      default:
        return access satisfies never;
    }
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

  #bearer(request: FastifyRequest, role: Role): Caller {
    const { authorization } = request.headers;
    if (authorization === undefined) {
      throw new Problem('unauthenticated', 'send a caller key in the header Authorization: Bearer tbk_…');
    }
    const key = BEARER.exec(authorization)?.[1];
    const caller = key === undefined ? undefined : this.callers.authenticate(key);
    if (!caller) throw new Problem('unauthenticated', 'the caller key is unknown, wrong, revoked or expired');
    if (!caller.roles.includes(role)) throw new Problem('forbidden', `this needs the role "${role}"`);
    return caller;
  }

  #oauthClient(request: FastifyRequest, role: Role): Pick<OAuthRequest, 'caller' | 'oauthClient'> {
    const { client, key } = readClientCredentials(request);
    const caller = this.callers.authenticate(key);
    if (!caller) throw new OAuthProblem('invalid_client', 'the client secret must be a valid caller key');
    if (!caller.roles.includes(role)) throw new OAuthProblem('unauthorized_client', `this needs the role "${role}"`);
    return { caller, oauthClient: client };
  }
}

import { SetMetadata } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

import type { Grant, Role } from '#vault';

/** Who calls: known, and not yet judged. */
export interface Caller {
  readonly name: string;
  readonly roles: readonly Role[];
  readonly grants: readonly Grant[];
}

/** A request that has passed the guard. */
export interface CallerRequest extends FastifyRequest {
  caller: Caller;
  /** Of a request that came with a session: when it ends, in ms since 1970. */
  sessionEndsAtMs?: number;
}

/**
 * What a route asks of its caller: one of some roles, shown by a key in `Authorization: Bearer`; the same for an OAuth
 * client, which shows it as its client secret; or nothing.
 */
export type Access =
  | { readonly kind: 'open' }
  | { readonly kind: 'bearer'; readonly roles: readonly Role[] }
  | { readonly kind: 'oauth'; readonly roles: readonly Role[] };

export const ACCESS = 'access';

export const Open = () => SetMetadata(ACCESS, { kind: 'open' } satisfies Access);
/** For whoever has one of these roles. The role `token` is for services alone: no session in a browser has it. */
export const Needs = (...roles: [Role, ...Role[]]) => SetMetadata(ACCESS, { kind: 'bearer', roles } satisfies Access);
export const NeedsOAuthClient = (role: Role) => SetMetadata(ACCESS, { kind: 'oauth', roles: [role] } satisfies Access);

/** A request that has passed the guard as an OAuth client's. */
export interface OAuthRequest extends CallerRequest {
  /** The name of the integrator client that it asks for. */
  oauthClient: string;
}

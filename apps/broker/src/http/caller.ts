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
}

/**
 * What a route asks of its caller: a role, shown by a key in `Authorization: Bearer`; the same for an OAuth client,
 * which shows it as its client secret; or nothing.
 */
export type Access =
  | { readonly kind: 'open' }
  | { readonly kind: 'bearer'; readonly role: Role }
  | { readonly kind: 'oauth'; readonly role: Role };

export const ACCESS = 'access';

export const Open = () => SetMetadata(ACCESS, { kind: 'open' } satisfies Access);
export const Needs = (role: Role) => SetMetadata(ACCESS, { kind: 'bearer', role } satisfies Access);
export const NeedsOAuthClient = (role: Role) => SetMetadata(ACCESS, { kind: 'oauth', role } satisfies Access);

/** A request that has passed the guard as an OAuth client's. */
export interface OAuthRequest extends CallerRequest {
  /** The name of the integrator client that it asks for. */
  oauthClient: string;
}

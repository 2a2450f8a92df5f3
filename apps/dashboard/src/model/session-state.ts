import { computed, signal } from '@preact/signals';

/** What `GET dashboard/session` answers. */
export interface Session {
  readonly caller: string;
  readonly roles: readonly string[];
  readonly expires_at: string;
}

/** `unknown` until the broker has said who is there; `away` if it cannot be asked. */
export type SessionState =
  { readonly kind: 'unknown' | 'away' | 'ended' | 'none' } | { readonly kind: 'open'; readonly session: Session };

export const sessionState = signal<SessionState>({ kind: 'unknown' });

export const isAdmin = computed(
  () => sessionState.value.kind === 'open' && sessionState.value.session.roles.includes('admin'),
);

/** Says so only to somebody who had one. */
export function endSession(): void {
  sessionState.value = { kind: sessionState.peek().kind === 'open' ? 'ended' : 'none' };
}

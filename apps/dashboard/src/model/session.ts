import { ApiError, call } from './api.js';
import { type Session, sessionState } from './session-state.js';
import { signInRefusal } from './words.js';

const RETRY_MS = 3_000;
/** Longer delays overflow in browsers, and fire at once. */
const LONGEST_DELAY_MS = 2 ** 31 - 1;

let expiry: ReturnType<typeof setTimeout> | undefined;
let retry: ReturnType<typeof setTimeout> | undefined;

/** Asks who is signed in, until the broker says. */
export async function readSession(): Promise<void> {
  clearTimeout(retry);
  try {
    open((await call<Session>('dashboard/session')).body);
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return;
    if (error instanceof ApiError && error.status === 403) {
      sessionState.value = { kind: 'none' };
      return;
    }
    // A session that is open stays so: whether it is any good shows when the broker is back.
    if (sessionState.peek().kind !== 'open') sessionState.value = { kind: 'away' };
    clearTimeout(retry);
    retry = setTimeout(() => void readSession(), RETRY_MS);
  }
}

/** @returns why not, in words; nothing if it worked */
export async function signIn(key: string): Promise<string | undefined> {
  try {
    await call('dashboard/session', { method: 'POST', body: { key } });
    open((await call<Session>('dashboard/session')).body);
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return signInRefusal(error.status, error.detail, error.retryAfterSeconds);
  }
}

/** @returns whether the broker knows of it: a cookie that stays would sign in whoever opens the page next */
export async function signOut(): Promise<boolean> {
  try {
    await call('dashboard/session', { method: 'DELETE' });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) return false;
  }
  clearTimeout(expiry);
  sessionState.value = { kind: 'none' };
  return true;
}

function open(session: Session): void {
  sessionState.value = { kind: 'open', session };
  clearTimeout(expiry);
  const leftMs = Date.parse(session.expires_at) - Date.now();
  // A moment late, so that the broker agrees that it is over.
  if (leftMs < LONGEST_DELAY_MS) expiry = setTimeout(() => void readSession(), Math.max(leftMs, RETRY_MS) + 500);
}

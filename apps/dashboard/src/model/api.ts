import { endSession } from './session-state.js';

const TIMEOUT_MS = 10_000;

/** An answer that is not a success, or none at all. */
export class ApiError extends Error {
  constructor(
    /** 0 if nobody answered. */
    readonly status: number,
    readonly detail: string,
    readonly retryAfterSeconds?: number,
  ) {
    super(detail);
    this.name = 'ApiError';
  }
}

export interface Request {
  readonly method?: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly body?: unknown;
  readonly ifMatch?: string;
  readonly timeoutMs?: number;
}

export interface Answer<T> {
  readonly body: T;
  readonly etag: string | undefined;
}

/** The page is at `<prefix>/dashboard`, so relative paths lead to the broker's API behind any prefix. */
export function urlOf(path: string): string {
  return new URL(path, document.baseURI).href;
}

/**
 * Asks the broker. A refused session ends it here, wherever it is noticed.
 * @throws ApiError
 */
export async function call<T>(path: string, request: Request = {}): Promise<Answer<T>> {
  const { method = 'GET', body, ifMatch, timeoutMs = TIMEOUT_MS } = request;
  const response = await fetch(urlOf(path), {
    method,
    signal: AbortSignal.timeout(timeoutMs),
    cache: 'no-store',
    headers: {
      accept: 'application/json',
      // No other site's page can make a browser send it: what proves that this page asks (see docs/adr).
      'x-token-broker': 'dashboard',
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(ifMatch !== undefined && { 'if-match': ifMatch }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  }).catch((error: unknown) => {
    const isLate = error instanceof DOMException && error.name === 'TimeoutError';
    throw new ApiError(0, isLate ? 'the broker did not answer in time' : 'the broker cannot be reached');
  });
  if (!response.ok) {
    const error = await refusal(response);
    if (error.status === 401) endSession();
    throw error;
  }
  // From our own broker, which the page trusts to say what the types say. 204 has none.
  const answer: T = response.status === 204 ? undefined : await response.json().catch(unreadable);
  return { body: answer, etag: response.headers.get('etag') ?? undefined };
}

function unreadable(): never {
  throw new ApiError(0, 'the broker’s answer broke off');
}

async function refusal(response: Response): Promise<ApiError> {
  const problem: unknown = await response.json().catch(() => undefined);
  const { detail, retry_after } = isRecord(problem) ? problem : {};
  return new ApiError(
    response.status,
    // What stands before the broker, such as a proxy, answers with pages of its own.
    typeof detail === 'string' ? detail : `HTTP ${response.status}`,
    typeof retry_after === 'number' ? retry_after : undefined,
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

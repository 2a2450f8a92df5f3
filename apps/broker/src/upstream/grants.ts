import { HttpService } from '@nestjs/axios';
import { Injectable } from '@nestjs/common';
import { isAxiosError } from 'axios';
import {
  catchError,
  defer,
  lastValueFrom,
  map,
  type Observable,
  of,
  race,
  retry,
  switchMap,
  tap,
  throwError,
  timer,
} from 'rxjs';

import { IssuerError } from '#token';
import { type BasicEncoding, type Environment, ENVIRONMENTS, type Secret } from '#vault';

import { BrokerConfig, FIRST_BACKOFF_MS } from '../config/broker-config.js';
import type { CallOrigin } from '../tracing/call-origin.js';
import { AttemptSpan } from './attempt-span.js';
import { type ReadGrant, readGrantAnswer, TransientError } from './grant-answer.js';
import { UpstreamCalls } from './upstream-calls.js';

/** The longest answer that is read, in bytes. */
const MAX_ANSWER_BYTES = 65_536;
/** A timer that strikes later than this, in ms, tells that the process was stopped; then it reads on for a while. */
const LATE_MS = 100;
const READ_ON_MS = 100;

/** What a client shows to MobilePay. */
export interface GrantCredentials {
  readonly clientId: string;
  readonly clientSecret: Secret;
  readonly basicEncoding: BasicEncoding;
  readonly extraHeaders: Readonly<Record<string, string>>;
}

export interface WantedGrant {
  /** The token endpoint, absolute. */
  readonly tokenUrl: string;
  readonly merchantVat?: string | undefined;
  readonly scope?: string | undefined;
  /** By which the call is found again. */
  readonly origin?: CallOrigin | undefined;
}

/**
 * MobilePay's Integrator Authentication API: OAuth 2.0 client credentials (RFC 6749 §4.4), Basic authentication, and
 * optionally one merchant. Retries network errors, 5xx and unreadable answers, nothing else.
 */
@Injectable()
export class Grants {
  constructor(
    private readonly http: HttpService,
    private readonly config: BrokerConfig,
    private readonly calls: UpstreamCalls,
  ) {}

  /** The token endpoint of one of MobilePay's environments. */
  urlOf(environment: Environment): string {
    return `${this.config.upstream.baseUrls[environment]}/connect/token`;
  }

  /** One grant.
   *  @param signal once aborted, no further attempt is made; the one under way may finish
   *  @param retries attempts after the first one
   *  @throws IssuerError the upstream refused or failed; `code` says which */
  request(
    credentials: GrantCredentials,
    wanted: WantedGrant,
    signal?: AbortSignal,
    retries = this.config.upstream.retries,
  ): Promise<ReadGrant> {
    let attempts = 0;
    return lastValueFrom(
      defer(() => this.#attempt(credentials, wanted, (attempts += 1))).pipe(
        retry({
          count: retries,
          delay: (error, attempt) =>
            error instanceof TransientError
              ? timer(Math.random() * FIRST_BACKOFF_MS * 2 ** (attempt - 1)).pipe(
                  switchMap(() => (signal?.aborted ? throwError(() => error) : of(attempt))),
                )
              : throwError(() => error),
        }),
      ),
    );
  }

  /** Tells of it when it has ended.
   *  @param count 1 for the first one */
  #attempt(credentials: GrantCredentials, wanted: WantedGrant, count: number): Observable<ReadGrant> {
    const span = new AttemptSpan(wanted, count);
    const startedAtMs = performance.now();
    const environment = this.#environmentOf(wanted.tokenUrl);
    const tell = (error?: unknown): void => {
      const { code, message } = error instanceof IssuerError ? error : {};
      const result = error === undefined ? 'ok' : (code ?? 'upstream_unavailable');
      this.calls.emit({ environment, result, detail: message, tookMs: performance.now() - startedAtMs });
      span.end(result, message);
    };
    return this.#call(credentials, wanted, span).pipe(tap({ complete: () => tell(), error: tell }));
  }

  #environmentOf(tokenUrl: string): Environment | undefined {
    return ENVIRONMENTS.find((environment) => this.urlOf(environment) === tokenUrl);
  }

  #call(credentials: GrantCredentials, wanted: WantedGrant, span: AttemptSpan): Observable<ReadGrant> {
    const { timeoutMs } = this.config.upstream;
    const form = new URLSearchParams({ grant_type: 'client_credentials' });
    if (wanted.merchantVat !== undefined) form.set('merchant_vat', wanted.merchantVat);
    if (wanted.scope !== undefined) form.set('scope', wanted.scope);
    const answer = this.http.request<string>({
      method: 'POST',
      url: wanted.tokenUrl,
      data: form.toString(),
      headers: {
        ...credentials.extraHeaders,
        ...span.headers,
        Accept: 'application/json',
        'Content-Type': 'application/x-www-form-urlencoded',
        Authorization: basicAuthorization(credentials),
      },
      responseType: 'text',
      transformResponse: (body: unknown) => body,
      validateStatus: () => true,
      maxRedirects: 0,
      maxContentLength: MAX_ANSWER_BYTES,
      proxy: false,
    });
    return race(answer, limitOf(timeoutMs)).pipe(
      catchError((error: unknown) => throwError(() => asIssuerError(error))),
      tap(({ status }) => span.noteStatus(status)),
      map(({ status, headers, data }) =>
        readGrantAnswer({ status, date: headers['date'], retryAfter: headers['retry-after'], body: data }, wanted),
      ),
    );
  }
}

function basicAuthorization({ clientId, clientSecret, basicEncoding }: GrantCredentials): string {
  const halves = [clientId, clientSecret.reveal()];
  const text = (basicEncoding === 'form' ? halves.map(formEncoded) : halves).join(':');
  return `Basic ${Buffer.from(text).toString('base64')}`;
}

function formEncoded(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1);
}

/**
 * Fails when an attempt has taken too long. Neither axios' own limit, which an answer that trickles in would not meet,
 * nor AbortSignal.timeout: what Node 20 makes of several signals may be collected as garbage before it fires
 * (nodejs/node#57736). A process that was stopped finds its timers due before it has read its sockets: an answer that
 * came meanwhile still counts.
 */
function limitOf(timeoutMs: number): Observable<never> {
  return defer(() => {
    const startedAtMs = performance.now();
    return timer(timeoutMs).pipe(
      switchMap(() => timer(performance.now() - startedAtMs > timeoutMs + LATE_MS ? READ_ON_MS : 0)),
      switchMap(() => throwError(() => new TransientError('upstream_unavailable', `no answer within ${timeoutMs} ms`))),
    );
  });
}

/** An AxiosError carries the request with its Authorization header: none of it passes this line. */
function asIssuerError(error: unknown): IssuerError {
  if (error instanceof IssuerError) return error;
  const { code = 'unknown', message = '' } = isAxiosError(error) ? error : {};
  if (message.startsWith('maxContentLength')) {
    return new TransientError('upstream_invalid', `the answer is longer than ${MAX_ANSWER_BYTES} bytes`);
  }
  return new TransientError('upstream_unavailable', `the connection failed (${code})`);
}

import { HttpService } from '@nestjs/axios';
import { Injectable, Logger } from '@nestjs/common';
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
  throwError,
  timer,
} from 'rxjs';

import { type IssuedToken, IssuerError, type TokenIssuer, type TokenSubject } from '#token';
import { type ClientRecord, Vault } from '#vault';

import { BrokerConfig, FIRST_BACKOFF_MS } from '../config/broker-config.js';
import { readGrantAnswer, TransientError } from './grant-answer.js';

/** The longest answer that is read, in bytes. */
const MAX_ANSWER_BYTES = 65_536;
/** A timer that strikes later than this, in ms, tells that the process was stopped; then it reads on for a while. */
const LATE_MS = 100;
const READ_ON_MS = 100;

/**
 * MobilePay's Integrator Authentication API: OAuth 2.0 client credentials (RFC 6749 §4.4), Basic authentication, and
 * optionally one merchant. Retries network errors, 5xx and unreadable answers, nothing else.
 */
@Injectable()
export class HttpTokenIssuer implements TokenIssuer {
  readonly #log = new Logger('issuer');
  readonly #notedAsOpaque = new Set<string>();

  constructor(
    private readonly http: HttpService,
    private readonly vault: Vault,
    private readonly config: BrokerConfig,
  ) {}

  async issue(subject: TokenSubject, signal: AbortSignal): Promise<IssuedToken> {
    const client = this.#clientOf(subject);
    const { retries } = this.config.upstream;
    const issued = await lastValueFrom(
      defer(() => this.#attempt(client, subject)).pipe(
        retry({
          count: retries,
          delay: (error, attempt) =>
            error instanceof TransientError
              ? timer(Math.random() * FIRST_BACKOFF_MS * 2 ** (attempt - 1)).pipe(
                  switchMap(() => (signal.aborted ? throwError(() => error) : of(attempt))),
                )
              : throwError(() => error),
        }),
      ),
    );
    if (issued.opaque) this.#noteOpaque(subject.client);
    return issued;
  }

  /** Said once per client: neither the merchant nor the expiry of such a token can be checked. */
  #noteOpaque(client: string): void {
    if (this.#notedAsOpaque.has(client)) return;
    this.#notedAsOpaque.add(client);
    this.#log.log({ event: 'opaque_token', client });
  }

  #attempt(client: ClientRecord, subject: TokenSubject) {
    const { timeoutMs } = this.config.upstream;
    const form = new URLSearchParams({ grant_type: 'client_credentials' });
    if (subject.merchantVat !== undefined) form.set('merchant_vat', subject.merchantVat);
    if (subject.scope !== undefined) form.set('scope', subject.scope);
    const answer = this.http.request<string>({
      method: 'POST',
      url: subject.tokenUrl,
      data: form.toString(),
      headers: {
        ...client.extraHeaders,
        Accept: 'application/json',
        'Content-Type': 'application/x-www-form-urlencoded',
        Authorization: basicAuthorization(client),
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
      map(({ status, headers, data }) =>
        readGrantAnswer({ status, date: headers['date'], retryAfter: headers['retry-after'], body: data }, subject),
      ),
    );
  }

  /** The record that the subject was made from; a newer one would get a token under the wrong key. */
  #clientOf({ client, credentialGeneration }: TokenSubject): ClientRecord {
    const record = this.vault.findClient(client);
    if (!record?.enabled || record.generation !== credentialGeneration) {
      throw new IssuerError('credentials_rejected', 'the credentials were replaced or switched off meanwhile');
    }
    return record;
  }
}

function basicAuthorization({ clientId, secrets, basicEncoding }: ClientRecord): string {
  const halves = [clientId, secrets[0]?.secret.reveal() ?? ''];
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

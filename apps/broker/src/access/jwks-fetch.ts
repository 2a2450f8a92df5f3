import { readFile } from 'node:fs/promises';
import { type ClientRequest, get as getHttp, type IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';
import { rootCertificates } from 'node:tls';

import type { JwtIssuerConfig } from '../config/broker-config.js';

/** The longest key set that is read, in bytes. */
const MOST_BYTES = 1_048_576;

/** Why a key set could not be had. */
export class JwksError extends Error {
  /** @param code such as `http_404`, `too_long`, `no_key_set` */
  constructor(readonly code: string) {
    super(`the key set cannot be had (${code})`);
    this.name = 'JwksError';
  }
}

/** Fetches an issuer's key set (RFC 7517 §5), over a connection of its own: the authority and the bearer token are read
 *  from their files each time. Follows no redirect.
 *  @returns the body, not looked at
 *  @throws JwksError, and what Node throws for a file or a connection, with its `code` */
export async function fetchJwks(
  { jwksUrl, jwksCaFile, jwksTokenFile }: JwtIssuerConfig,
  signal: AbortSignal,
): Promise<string> {
  const ca = jwksCaFile === undefined ? undefined : await readFile(jwksCaFile, 'utf8');
  const token = jwksTokenFile === undefined ? undefined : await readFile(jwksTokenFile, 'utf8');
  const headers = {
    Accept: 'application/json, application/jwk-set+json',
    ...(token !== undefined && { Authorization: `Bearer ${token.trim()}` }),
  };
  const options = { signal, headers, agent: false } as const;
  const trusted = ca === undefined ? {} : { ca: [...rootCertificates, ca] };
  const response = await answerTo(
    jwksUrl.startsWith('https:') ? getHttps(jwksUrl, { ...options, ...trusted }) : getHttp(jwksUrl, options),
  );
  try {
    if (response.statusCode !== 200) throw new JwksError(`http_${response.statusCode}`);
    return await bodyOf(response);
  } finally {
    response.destroy();
  }
}

/** The listeners stay: an error that comes after the answer has nobody else to hear it, and would end the process. */
function answerTo(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.on('response', resolve).on('error', reject);
  });
}

async function bodyOf(response: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) throw new JwksError('too_long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

import type { FastifyRequest } from 'fastify';

import { isName } from '#vault';

import { OAuthProblem } from '../http/problem.js';

/** How an OAuth client names itself: the integrator client in the vault, and the caller's key as its secret. */
export interface PresentedCredentials {
  readonly client: string;
  readonly key: string;
}

/** Reads them from `Authorization: Basic` or the form, and from one of them alone (RFC 6749 §2.3).
 *  @throws OAuthProblem */
export function readClientCredentials({
  headers,
  body,
}: Pick<FastifyRequest, 'headers' | 'body'>): PresentedCredentials {
  if (!(body instanceof URLSearchParams)) {
    throw new OAuthProblem('invalid_request', 'the body must be application/x-www-form-urlencoded');
  }
  const [id, secret] = [body.get('client_id'), body.get('client_secret')];
  if (headers.authorization === undefined) {
    if (id === null || secret === null) {
      throw new OAuthProblem('invalid_client', 'send the client name and a caller key, as Basic or in the body');
    }
    return checked({ client: id, key: secret });
  }
  const basic = readBasic(headers.authorization);
  // A stock client may repeat its id beside the header; a secret there is a second method.
  if (secret !== null || (id !== null && id !== basic.client)) {
    throw new OAuthProblem('invalid_request', 'send the client credentials in one way only');
  }
  return checked(basic);
}

/** A name that cannot be is not repeated in any answer: some put their secret there. */
function checked(presented: PresentedCredentials): PresentedCredentials {
  if (isName(presented.client)) return presented;
  throw new OAuthProblem('invalid_client', 'the client id must be the name of a client in the vault');
}

function readBasic(authorization: string): PresentedCredentials {
  const [, base64 = ''] = /^Basic +([A-Za-z0-9+/_-]+=*) *$/i.exec(authorization) ?? [];
  const text = Buffer.from(base64, 'base64').toString();
  const colon = text.indexOf(':');
  if (colon < 1) throw new OAuthProblem('invalid_client', 'Authorization must be Basic base64(client:caller key)');
  return { client: formDecoded(text.slice(0, colon)), key: formDecoded(text.slice(colon + 1)) };
}

/** Each half is form-encoded (RFC 6749 §2.3.1). Neither a client's name nor a caller key has characters that a client
 *  which does not encode would send otherwise. */
function formDecoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new OAuthProblem('invalid_client', 'the client credentials are not form-encoded as RFC 6749 §2.3.1 says');
  }
}

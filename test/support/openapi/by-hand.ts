import { MERCHANT_VAT_PATTERN } from '#token';
import { NAME_PATTERN } from '#vault';

import { OAUTH_ERROR, STATUS, TITLE } from '../../../apps/broker/src/http/problem.filter.js';
import { MAX_VALIDITY_SECONDS } from '../../../apps/broker/src/token/token-requests.js';
import type { Schema } from './schema.js';

// What the code reads and writes by hand, where tokens are given: no class and no type says it.

const text = (description: string): Schema => ({ type: 'string', description });
const client: Schema = { type: 'string', pattern: NAME_PATTERN.source, description: 'The client’s name in the vault.' };
const merchant_vat: Schema = {
  type: 'string',
  pattern: MERCHANT_VAT_PATTERN.source,
  description: 'DK or FI and 8 digits. Absent: a token bound to no merchant, which needs an unrestricted grant.',
};
const BOUND = 'The merchant that the token is bound to; absent if there is none.';
const access_token = text('The access token, as MobilePay gave it.');
const expires_in: Schema = { type: 'integer', description: 'Seconds left now, computed anew in each answer.' };
const token_id: Schema = {
  type: 'string',
  pattern: '^[A-Za-z0-9_-]{16}$',
  description: 'A fingerprint of the token, safe to log.',
};

function object(properties: Record<string, Schema>, required: readonly string[], more: Schema = {}): Schema {
  return { type: 'object', properties, required, ...more };
}

const PROBLEMS = Object.entries(STATUS).map(
  ([code, status]) => `\`${code}\` (${status}): ${TITLE[code as keyof typeof TITLE]}.`,
);
/** Of the problems, and what is a problem there alone. */
const OAUTH_CODES = [...new Set(['unsupported_grant_type', ...Object.values(OAUTH_ERROR).map(({ error }) => error)])];

export const BY_HAND = {
  TokenRequest: object(
    {
      client,
      merchant_vat,
      min_validity: {
        type: 'integer',
        minimum: 0,
        maximum: MAX_VALIDITY_SECONDS,
        description:
          'Seconds of life wanted at least. Default: the safety margin, 60. More than MobilePay gives is a 400.',
      },
    },
    ['client'],
    { additionalProperties: false },
  ),
  Token: object(
    {
      access_token,
      token_type: text('How it is shown: `Bearer`.'),
      expires_in,
      expires_at: {
        type: 'string',
        format: 'date-time',
        description: 'The same as an instant of this replica’s clock.',
      },
      scope: text('As MobilePay said it; absent if it did not.'),
      client,
      merchant_vat: { ...merchant_vat, description: BOUND },
      merchant_vat_header: text(
        'Of a token bound to no merchant: the header that each call of PoS V10 must then carry.',
      ),
      token_id,
    },
    ['access_token', 'token_type', 'expires_in', 'expires_at', 'client', 'token_id'],
  ),
  InvalidationRequest: object(
    {
      client,
      merchant_vat: { ...merchant_vat, description: BOUND },
      token_id,
      access_token: { ...access_token, minLength: 1, maxLength: 16_384 },
    },
    ['client'],
    {
      oneOf: [{ required: ['token_id'] }, { required: ['access_token'] }],
      additionalProperties: false,
    },
  ),
  GrantRequest: object(
    {
      grant_type: { const: 'client_credentials' },
      client_id: text('The client’s name in the vault, if it is not shown by Basic.'),
      client_secret: { ...text('The caller’s key or JWT, if it is not shown by Basic.'), format: 'password' },
      merchant_vat,
      scope: text('At most 20 scopes of at most 128 characters, separated by spaces: RFC 6749 §3.3.'),
    },
    ['grant_type'],
  ),
  OAuthToken: object(
    { access_token, token_type: text('How it is shown: `Bearer`.'), expires_in, scope: text('As MobilePay said it.') },
    ['access_token', 'token_type', 'expires_in'],
  ),
  OAuthError: object(
    {
      error: {
        enum: OAUTH_CODES,
        description: 'RFC 6749 §5.2, with `server_error` and `temporarily_unavailable` of its §4.1.2.1.',
      },
      error_description: text('In words.'),
    },
    ['error', 'error_description'],
  ),
  Problem: object(
    {
      type: text('`urn:token-broker:problem:` and the code.'),
      title: text('The same in words.'),
      status: { type: 'integer', description: 'The HTTP status.' },
      detail: text('What is wrong with this request. Never a value that could be a secret.'),
      code: {
        enum: Object.keys(STATUS),
        description: `For programs. ${PROBLEMS.join(' ')}`,
      },
      retry_after: { type: 'integer', description: 'Seconds, as in `Retry-After`.' },
      errors: {
        type: 'array',
        description: 'Each field that is wrong, and what it must be.',
        items: object({ field: { type: 'string' }, detail: { type: 'string' } }, ['field', 'detail']),
      },
      correlation_id: text('Also in `x-correlation-id`: the log says more under it.'),
    },
    ['type', 'title', 'status', 'detail', 'code', 'correlation_id'],
  ),
} satisfies Record<string, Schema>;

/** The parts of the API. */
export const TAGS: Readonly<Record<string, string>> = {
  callers: 'Who may call, and their keys.',
  clients: 'MobilePay’s integrator clients, and their secrets: they go in, and do not come out.',
  health: 'For whoever restarts a replica, or routes to it.',
  metrics: 'For Prometheus.',
  oauth: 'A token endpoint like MobilePay’s own (RFC 6749 §4.4), for any OAuth 2.0 client.',
  session: 'Signing in to the dashboard, and out.',
  status: 'The whole cluster, told by any replica.',
  tokens: 'Access tokens, and what is known of them.',
  vault: 'The vault as a whole: its master keys and its backup.',
};

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';

import { OAuthProblem } from '../../apps/broker/src/http/problem.js';
import {
  readGrantRequest,
  readInvalidationRequest,
  readTokenRequest,
} from '../../apps/broker/src/token/token-requests.js';
import { BY_HAND } from '../support/openapi/by-hand.js';
import { openApiDocument } from '../support/openapi/document.js';
import { root } from '../support/processes.js';

const path = join(root, 'docs/openapi.json');

it('the document is what the code says: npm run openapi writes it anew', async () => {
  const made = `${JSON.stringify(await openApiDocument(), null, 2)}\n`;
  if (process.env['OPENAPI'] === 'write') writeFileSync(path, made);
  expect(readFileSync(path, 'utf8')).toBe(made);
});

it('the document is one of OpenAPI 3.1', async () => {
  const document = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  const validator = new Validator();
  expect(await validator.validate(document)).toEqual({ valid: true });
  expect(validator.version).toBe('3.1');
  expect(await validator.validate({ ...document, paths: [] })).toMatchObject({ valid: false });
});

const near = (...likely: unknown[]) => fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...likely) }, fc.jsonValue());
const client = near('acme', 'acme', '-acme', 'a'.repeat(63), 'a'.repeat(64), '');
const merchant_vat = near('DK12345678', 'FI00000000', 'FI00000001', 'SE12345678', 'DK12345678\n');

it.each([
  ['TokenRequest' as const, readTokenRequest, { client, merchant_vat, min_validity: near(0, 60, 600, 601, -1, 0.5) }],
  [
    'InvalidationRequest' as const,
    readInvalidationRequest,
    {
      client,
      merchant_vat,
      token_id: near('a'.repeat(16), 'b'.repeat(16), 'b'),
      access_token: near('token', 'x', '', 'a'.repeat(16_385)),
    },
  ],
])('a %s is taken if it is as the document says, and only then', (name, read, fields) => {
  const isDescribed = new Ajv2020({ strict: false, formats: { password: true } }).compile(BY_HAND[name]);
  const known = fc.record<Record<string, unknown>>(fields, { requiredKeys: [] });
  const object = fc
    .tuple(known, fc.constantFrom({}, {}, {}, { scope: 'a' }))
    .map(([given, more]) => ({ ...given, ...more }));
  const body = fc.oneof({ weight: 9, arbitrary: object }, fc.jsonValue());
  const counts = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(body, (given) => {
      let isTaken = true;
      try {
        read(given);
      } catch {
        isTaken = false;
      }
      counts[isTaken ? 'taken' : 'refused'] += 1;
      expect([given, isDescribed(given)]).toEqual([given, isTaken]);
    }),
    { numRuns: 4_000 },
  );
  expect(Math.min(counts.taken, counts.refused)).toBeGreaterThan(50);
});

it('a GrantRequest without empty parameters is taken if it is as the document says, and only then', () => {
  const isDescribed = new Ajv2020({ strict: false, formats: { password: true } }).compile(BY_HAND.GrantRequest);
  const fields = {
    grant_type: fc.constantFrom('client_credentials', 'client_credentials', 'password'),
    merchant_vat: fc.constantFrom('DK12345678', 'FI12345678', 'SE12345678'),
    scope: fc.constantFrom('a', 'a b'),
    client_id: fc.constant('acme'),
    client_secret: fc.constant('a-key'),
    resource: fc.constant('unknown to us'),
  };
  const counts = { taken: 0, refused: 0 };
  fc.assert(
    fc.property(fc.record<Record<string, string>>(fields, { requiredKeys: [] }), (form) => {
      let refusal: unknown;
      try {
        readGrantRequest(new URLSearchParams(form));
      } catch (error) {
        refusal = error;
      }
      counts[refusal === undefined ? 'taken' : 'refused'] += 1;
      expect([form, refusal instanceof OAuthProblem]).toEqual([form, !isDescribed(form)]);
    }),
    { numRuns: 2_000 },
  );
  expect(Math.min(counts.taken, counts.refused)).toBeGreaterThan(100);
});

import { randomUUID } from 'node:crypto';

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import type { Sandbox } from './sandbox.js';
import { VAT } from './token-endpoint.js';

/** A header that every call must carry once, and the error codes for missing, duplicated and invalid. */
interface HeaderRule {
  readonly name: string;
  readonly format: RegExp;
  readonly codes: readonly [missing: number, duplicated: number, invalid: number];
}

const MERCHANT: HeaderRule = { name: 'x-mobilepay-merchant-vat-number', format: VAT, codes: [1151, 1155, 1159] };
const SYSTEM: readonly HeaderRule[] = [
  { name: 'x-mobilepay-client-system-name', format: /\S/, codes: [1152, 1156, 1160] },
  { name: 'x-mobilepay-client-system-version', format: /^\d+\.\d+\.\d+$/, codes: [1153, 1157, 1161] },
];
const INVALID_CLAIM = 1182;

interface Refusal {
  readonly status: number;
  readonly code: number;
  readonly message: string;
}

/** The two calls of PoS V10 by which a store service can see that its token is good. */
export function servePointOfSale(app: FastifyInstance, sandbox: Sandbox): void {
  const serve = (path: string, answer: (merchantVat: string) => object) => {
    app.get(path, async (request, reply) => {
      const merchant = await merchantOf(request, sandbox);
      return typeof merchant === 'string' ? answer(merchant) : refuse(reply, merchant);
    });
  };
  serve('/pos/v10/stores', (vat) => ({
    stores: [1, 2].map((n) => ({
      storeId: id(vat, 'store', n),
      storeName: `Store ${n} of ${vat}`,
      merchantVatNumber: vat,
    })),
  }));
  serve('/pos/v10/pointofsales', (vat) => ({
    pointOfSales: [1, 2].map((n) => ({ posId: id(vat, 'pos', n), storeId: id(vat, 'store', n), posName: `Till ${n}` })),
  }));
}

/** The merchant that the call is for, or why it is refused. */
async function merchantOf(request: FastifyRequest, sandbox: Sandbox): Promise<string | Refusal> {
  const [, token = ''] = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
  const claims = await sandbox.signing.verify(token);
  // Which code comes with a 401 is not documented.
  if (!claims) return { status: 401, code: 401, message: 'the access token is not accepted' };
  const refusal = SYSTEM.map((rule) => broken(request, rule)).find((each) => each !== undefined);
  if (refusal) return refusal;

  const claim = claims['merchant_vat'];
  if (claim === undefined) return broken(request, MERCHANT) ?? String(request.headers[MERCHANT.name]);
  if (typeof claim !== 'string' || !VAT.test(claim)) {
    return { status: 400, code: INVALID_CLAIM, message: 'the token has an invalid merchant_vat claim' };
  }
  const header = request.headers[MERCHANT.name];
  // Assumed: a header is not needed beside the claim, but must not contradict it.
  if (header !== undefined && header !== claim) {
    return { status: 400, code: MERCHANT.codes[2], message: `${MERCHANT.name} differs from the token's merchant_vat` };
  }
  return claim;
}

function broken(request: FastifyRequest, { name, format, codes }: HeaderRule): Refusal | undefined {
  const values = request.raw.headersDistinct[name] ?? [];
  const [value] = values;
  if (value === undefined) return { status: 400, code: codes[0], message: `${name} is missing` };
  if (values.length > 1) return { status: 400, code: codes[1], message: `${name} is duplicated` };
  return format.test(value) ? undefined : { status: 400, code: codes[2], message: `${name} is invalid` };
}

function refuse(reply: FastifyReply, { status, code, message }: Refusal): FastifyReply {
  return reply.code(status).send({ code: String(code), message, CorrelationId: randomUUID() });
}

/** The same id for the same thing at each start, shaped like a UUID. */
function id(vat: string, kind: 'store' | 'pos', n: number): string {
  return `${kind === 'store' ? '0' : '1'}000000${n}-0000-4000-8000-0000${vat.slice(2)}`;
}

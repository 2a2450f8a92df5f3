/** What the token endpoint may be told to do instead of its work. */
export const FAULT_KINDS = [
  'latency',
  'hang',
  'reset',
  'status',
  'html',
  'error',
  'truncated',
  'wrong_json',
  'wrong_vat',
  'expires_in',
  'opaque',
] as const;

export interface Fault {
  readonly kind: (typeof FAULT_KINDS)[number];
  /** Only calls of this OAuth client id. */
  readonly client_id?: string;
  /** Only calls for this merchant. */
  readonly merchant_vat?: string;
  /** How often it strikes; for ever if absent. */
  readonly times?: number;
  /** Added to the usual latency, in ms. For every kind. */
  readonly latency_ms?: number;
  /** `status`, `html`, `error`: the HTTP status. Default 503, 200 and 400. */
  readonly status?: number;
  /** `status`, `error`: the header `Retry-After`, in seconds or as an HTTP date. */
  readonly retry_after?: number | string;
  /** `status`, `wrong_json`: the body as it is sent. */
  readonly body?: string;
  /** `error`: the code of RFC 6749 §5.2. Default `invalid_client`. */
  readonly error?: string;
  /** `wrong_vat`: the claim, as it is sent. Default `DK99999999`. */
  readonly claim?: string;
  /** `expires_in`: the member's value as it is sent; left out if absent. */
  readonly value?: unknown;
}

/** JSON Schema of a fault. */
export const faultSchema = {
  type: 'object',
  required: ['kind'],
  additionalProperties: false,
  properties: {
    kind: { enum: FAULT_KINDS },
    client_id: { type: 'string', minLength: 1 },
    merchant_vat: { type: 'string', minLength: 1 },
    times: { type: 'integer', minimum: 1 },
    latency_ms: { type: 'integer', minimum: 0, maximum: 600_000 },
    status: { type: 'integer', minimum: 200, maximum: 599 },
    retry_after: { type: ['integer', 'string'] },
    body: { type: 'string' },
    error: { type: 'string', minLength: 1 },
    claim: { type: 'string' },
    value: {},
  },
} as const;

/** The faults in force. The oldest that fits a call strikes. */
export class Faults {
  #faults: { fault: Fault; left: number }[] = [];

  get all(): (Fault & { left: number | null })[] {
    return this.#faults.map(({ fault, left }) => ({ ...fault, left: Number.isFinite(left) ? left : null }));
  }

  add(fault: Fault): void {
    this.#faults.push({ fault, left: fault.times ?? Infinity });
  }

  clear(): void {
    this.#faults = [];
  }

  /** The fault that strikes this call, if any; counts it. */
  strike(clientId: string, merchantVat: string | undefined): Fault | undefined {
    const found = this.#faults.find(
      ({ fault }) =>
        (fault.client_id === undefined || fault.client_id === clientId) &&
        (fault.merchant_vat === undefined || fault.merchant_vat === merchantVat),
    );
    if (!found) return undefined;
    found.left -= 1;
    if (found.left === 0) this.#faults = this.#faults.filter((each) => each !== found);
    return found.fault;
  }
}

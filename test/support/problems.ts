import type { RunningBroker } from './broker.js';
import type { Answer } from './http.js';

/** Stands in what tests send that is wrong: no answer may repeat it. */
export const WRONG = 'Wr0ng/Value';

/** The problem document of RFC 9457 as our contract has it: nothing missing, nothing more, nothing repeated.
 *  @param fields what `errors` must name, in any order; none if there must be no `errors` */
export function expectProblem(answer: Answer, status: number, code: string, fields: readonly string[] = []): void {
  const errors = fields.map((field) => ({ field, detail: expect.stringMatching(/^\p{L}/u) }));
  expect(answer.status).toBe(status);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  expect(answer.json).toEqual({
    type: `urn:token-broker:problem:${code}`,
    title: expect.stringMatching(/^[A-Z]/),
    status,
    detail: expect.stringMatching(/\p{L}/u),
    code,
    correlation_id: expect.stringMatching(/^[\w-]{36}$/),
    ...(fields.length > 0 && { errors: expect.arrayContaining(errors) }),
  });
  expect(new Set(named(answer))).toEqual(new Set(fields));
  expectNothingRepeated(answer);
}

export function expectNothingRepeated({ text, headers }: Answer): void {
  expect(text + JSON.stringify([...headers])).not.toContain(WRONG);
  expect(text).not.toMatch(/\.[jt]s:\d+|node_modules/);
}

/** The broker serves on, and holds none of what it was sent for a fault of its own. */
export async function expectUnharmed(broker: RunningBroker, key: string): Promise<void> {
  expect(broker.process.output()).not.toContain('internal_error');
  expect(broker.process.output()).not.toContain(WRONG);
  expect(await broker.token(key, { client: 'acme', merchant_vat: 'DK12345678' })).toMatchObject({ status: 200 });
}

function named({ json }: Answer): string[] {
  const errors = (json['errors'] ?? []) as { field: string }[];
  return errors.map(({ field }) => field);
}

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import fc from 'fast-check';

import { readArchive, VaultError } from '#vault';

const RUNS = Number(process.env['FUZZ_RUNS'] ?? 100_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31);
const PASSWORD = 'fixture-password';
const BATCH = 5_000;
const SLOWEST_MS = 2_000;
/** What is still held when all is done; and what the process has taken meanwhile, garbage included. */
const MOST_HELD_BYTES = 16 * 1_048_576;
const MOST_TAKEN_BYTES = 256 * 1_048_576;
const NAMES = ['zipcrypto', '7z-zipcrypto', 'aes256', 'prose', 'nothing', 'many', 'traversal', 'bomb'];

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function memory(): { held: number; taken: number } {
  collectGarbage();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { held: heapUsed + external, taken: rss };
}

function mebi(bytes: number): number {
  return Math.round(bytes / 1_048_576);
}

/** What happens to an archive on its way: bytes changed, cut off, said again, put in. */
const mutation = fc.oneof(
  fc.record({ kind: fc.constant('change' as const), at: fc.nat(), to: fc.nat(255) }),
  fc.record({ kind: fc.constant('cut' as const), at: fc.nat(), to: fc.nat() }),
  fc.record({ kind: fc.constant('repeat' as const), at: fc.nat(), to: fc.nat(64) }),
  fc.record({ kind: fc.constant('insert' as const), at: fc.nat(), to: fc.nat(255) }),
);
type Mutation = typeof mutation extends fc.Arbitrary<infer T> ? T : never;

function mutated(bytes: Buffer, { kind, at, to }: Mutation): Buffer {
  const place = at % Math.max(1, bytes.length);
  switch (kind) {
    case 'change':
      return Buffer.concat([bytes.subarray(0, place), Buffer.from([to]), bytes.subarray(place + 1)]);
    case 'cut':
      return bytes.subarray(0, place);
    case 'repeat':
      return Buffer.concat([bytes.subarray(0, place), bytes.subarray(Math.max(0, place - to))]);
    case 'insert':
      return Buffer.concat([bytes.subarray(0, place), Buffer.from([to]), bytes.subarray(place)]);
    default:
      return kind satisfies never;
  }
}

it(`${RUNS} mutated archives are read or refused, each quickly, with bounded memory, seed ${SEED}`, async () => {
  process.stdout.write(`fuzz: ${RUNS} archives, seed ${SEED}\n`);
  const fixtures = await Promise.all(
    NAMES.map((name) => readFile(join(import.meta.dirname, `../fixtures/${name}.zip`))),
  );
  let [slowestMs, refused] = [0, 0];
  const isReadOrRefused = fc.asyncProperty(
    fc.constantFrom(...fixtures),
    fc.array(mutation, { minLength: 1, maxLength: 6 }),
    async (original, mutations) => {
      const bytes = mutations.reduce(mutated, original);
      const startedAt = performance.now();
      try {
        for (const { clientId, clientSecret } of await readArchive(bytes, PASSWORD)) {
          if (clientId === '' || clientSecret === '') throw new Error('credentials that are empty');
        }
      } catch (error) {
        if (!(error instanceof VaultError && error.code === 'archive')) throw error;
        if (error.message.length > 3_000 || error.message.includes(PASSWORD))
          throw new Error('said too much', { cause: error });
        refused += 1;
      }
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    },
  );
  // The first ones load what unpacks archives. Batches, as fast-check keeps something for each run of one.
  await fc.assert(isReadOrRefused, { numRuns: 1_000, seed: SEED });
  const before = memory();
  for (let run = 0; run < RUNS; run += BATCH) {
    await fc.assert(isReadOrRefused, { numRuns: Math.min(BATCH, RUNS - run), seed: SEED + run, endOnFailure: true });
  }
  const after = memory();
  const [held, taken] = [after.held - before.held, after.taken - before.taken];
  process.stdout.write(
    `fuzz: ${refused} refused, slowest ${Math.round(slowestMs)} ms, ${mebi(held)} MiB held, ${mebi(taken)} taken\n`,
  );
  expect(slowestMs).toBeLessThan(SLOWEST_MS);
  expect(held).toBeLessThan(MOST_HELD_BYTES);
  expect(taken).toBeLessThan(MOST_TAKEN_BYTES);
  expect(refused).toBeGreaterThan(RUNS / 2);
}, 900_000);

/** What the simulation is told on the command line. */
import { parseArgs } from 'node:util';

import { defaultModel } from '../../dist/test/simulation/scale/model.js';

/** Name, default, least, most, whole or not, what it says. */
const NUMBERS = [
  ['keys', defaultModel.keys, 1, 1e8, 'merchants with a token of their own, in the whole world'],
  ['replicas', defaultModel.replicas, 2, 2_000, 'broker processes behind a load balancer that picks any of them'],
  ['keys-per-client', defaultModel.keysPerClient, 1, 1e6, 'keys that share a client of MobilePay, and its five calls'],
  ['sample', 1_000, 50, 1e6, 'keys that are simulated; the rest is scaled. A multiple of --keys-per-client'],
  ['life', defaultModel.lifeSeconds, 300, 86_400, 'life of a token, in seconds'],
  ['upstream-ms', defaultModel.upstreamMs, 1, 10_000, 'how long MobilePay takes on average, in ms'],
  ['token-bytes', 1_024, 100, 16_384, 'length of a token'],
  ['replica-memory-mb', 2_048, 64, 1_048_576, 'memory that a replica may take for its keys, in MB'],
  ['network-mbit', 1_000, 1, 1_000_000, 'what the network of Redis carries away, in Mbit/s'],
  ['seed', defaultModel.seed, 0, 2 ** 31 - 1, 'of all chance: the same seed gives the same day'],
];

const TEXTS = [
  ['requests-per-key-per-hour', '6,120', 'while the shop is open; two profiles, a quiet and a busy one'],
  ['opening-hours', '9-20', 'of all shops, on a day from 0 to 24; each up to half an hour earlier or later'],
];

const FLAGS = [
  ['json', 'print everything as JSON'],
  ['write', 'put the tables into docs/scaling.md'],
  ['help', 'print this'],
];

export class OptionError extends Error {}

export const HELP = `npm run simulate -- [options]

Runs the real core on all replicas through one virtual day, against a simulated Redis, network and MobilePay.

${[
  ...NUMBERS.map(([name, value, , , text]) => [`${name} ${value}`, text]),
  ...TEXTS.map(([name, value, text]) => [`${name} ${value}`, text]),
  ...FLAGS,
]
  .map(([name, text]) => `  --${name.padEnd(34)} ${text}`)
  .join('\n')}
`;

/** @throws OptionError */
export function readOptions(args) {
  const options = Object.fromEntries([
    ...[...NUMBERS, ...TEXTS].map(([name]) => [name, { type: 'string' }]),
    ...FLAGS.map(([name]) => [name, { type: 'boolean' }]),
  ]);
  let values;
  try {
    ({ values } = parseArgs({ args, options, strict: true, allowPositionals: false }));
  } catch (error) {
    throw new OptionError(error.message);
  }
  const numbers = Object.fromEntries(NUMBERS.map((each) => [each[0], numberOf(each, values[each[0]])]));
  const [quiet, busy] = ratesOf(values['requests-per-key-per-hour'] ?? '6,120');
  const [opensAt, closesAt] = hoursOf(values['opening-hours'] ?? '9-20');
  if (numbers.sample % numbers['keys-per-client'] !== 0) {
    throw new OptionError('--sample must be a multiple of --keys-per-client: clients are simulated whole');
  }
  if (numbers.sample > numbers.keys) throw new OptionError('--sample must not be more than --keys');
  const model = {
    ...defaultModel,
    keys: numbers.keys,
    keysPerClient: numbers['keys-per-client'],
    sample: numbers.sample,
    replicas: numbers.replicas,
    lifeSeconds: numbers.life,
    upstreamMs: numbers['upstream-ms'],
    seed: numbers.seed,
    opensAt,
    closesAt,
  };
  return {
    model,
    quiet,
    busy,
    tokenBytes: numbers['token-bytes'],
    replicaBytes: numbers['replica-memory-mb'] * 1_048_576,
    networkBytes: (numbers['network-mbit'] * 1e6) / 8,
    json: values.json ?? false,
    write: values.write ?? false,
    help: values.help ?? false,
  };
}

function numberOf([name, initial, least, most], text) {
  if (text === undefined) return initial;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most) {
    throw new OptionError(`--${name} must be a whole number from ${least} to ${most}, not "${text}"`);
  }
  return value;
}

function ratesOf(text) {
  const rates = text.split(',').map(Number);
  if (!/^[\d.]+,[\d.]+$/.test(text) || !rates.every((rate) => rate > 0 && rate <= 10_000) || rates[0] >= rates[1]) {
    throw new OptionError(
      `--requests-per-key-per-hour must be two numbers up to 10000, the lower first, such as 6,120, not "${text}"`,
    );
  }
  return rates;
}

function hoursOf(text) {
  const [, from, to] = /^(\d{1,2})-(\d{1,2})$/.exec(text) ?? [];
  const [opensAt, closesAt] = [Number(from), Number(to)];
  // Shops open up to half an hour earlier, and close up to half an hour later.
  if (from === undefined || opensAt < 1 || closesAt > 23 || closesAt <= opensAt) {
    throw new OptionError(`--opening-hours must be two whole hours from 1 to 23, such as 9-20, not "${text}"`);
  }
  return [opensAt, closesAt];
}

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';

import { KeyRing } from '#vault';

import { type TestGrant, RunningBroker } from './broker.js';
import { Answers, askOne } from './answers.js';
import { aFolder } from './folder.js';
import { bearer, call } from './http.js';
import { eventually } from './processes.js';
import type { RunningSandbox } from './sandbox.js';

type Env = Record<string, string>;

/** What a token is asked for. */
export interface Wanted {
  readonly client: string;
  readonly merchant_vat?: string;
  readonly min_validity?: number;
}

let made = 0;
const EVERYTHING: TestGrant = { client: '*', merchants: ['*'], unrestricted: true };
/** What a process prints that has a defect: nothing that a fault outside may cause. */
const HARM = /unhandled|uncaught|token_fault|internal_error|TypeError|ReferenceError|RangeError/i;

/** Several brokers that share a vault and, by their settings, a Redis. */
export class Replicas {
  readonly #free: string[] = [];
  readonly #gone = new Set<RunningBroker>();
  /** How much of their output has been looked at. */
  readonly #read = new Map<RunningBroker, number>();

  private constructor(
    readonly brokers: RunningBroker[],
    readonly sandbox: RunningSandbox,
    readonly callerKey: string,
    private readonly settings: (index: number) => Env,
    private readonly from: string | undefined,
  ) {}

  /** @param env what they have in common, or what the replica of that index has
   *  @param clients how many clients there are for `aClient`, known to all replicas from their start
   *  @param from where their version is built; ours by default */
  static async start(
    count: number,
    sandbox: RunningSandbox,
    env: Env | ((index: number) => Env),
    clients = 8,
    from?: string,
  ): Promise<Replicas> {
    const shared = {
      VAULT_PATH: join(aFolder(), 'vault.json'),
      VAULT_KEYS: KeyRing.generate('test'),
      ADMIN_KEY: `admin-${randomBytes(16).toString('hex')}`,
    };
    const settings = (index: number) => ({ ...shared, ...(typeof env === 'function' ? env(index) : env) });
    const first = await RunningBroker.start(sandbox, settings(0), undefined, from);
    const key = await first.addCaller('shop', ['token'], [EVERYTHING]);
    const replicas = new Replicas([first], sandbox, key, settings, from);
    running.add(replicas);
    for (let n = 1; n <= clients; n += 1) {
      // Several sets of replicas may share a sandbox, which counts by client.
      const name = `client-${(made += 1)}`;
      await first.addClient(name);
      replicas.#free.push(name);
    }
    await Promise.all(Array.from({ length: count - 1 }, () => replicas.add()));
    return replicas;
  }

  /** Those that still run. */
  get alive(): RunningBroker[] {
    return this.brokers.filter((broker) => !this.#gone.has(broker));
  }

  /** Starts one more.
   *  @param from where its version is built; as of the others by default */
  async add(from = this.from): Promise<RunningBroker> {
    const index = this.brokers.length;
    const place = this.brokers.push(this.brokers[0]!) - 1;
    this.brokers[place] = await RunningBroker.start(this.sandbox, this.settings(index), undefined, from);
    return this.brokers[place];
  }

  /** Ends one as an orchestrator would, and starts it anew with the same settings.
   *  @returns the exit code of the old one */
  async restart(broker: RunningBroker): Promise<number | null> {
    const code = await broker.process.stop();
    const place = this.brokers.indexOf(broker);
    this.brokers[place] = await RunningBroker.start(this.sandbox, this.settings(place));
    return code;
  }

  /** A client that no other row uses. */
  aClient(): string {
    const name = this.#free.shift();
    if (name === undefined) throw new Error('no client left: start the replicas with more');
    return name;
  }

  /** As many callers at once, spread evenly. */
  async askAll(count: number, wanted: Wanted, among = this.alive): Promise<Answers> {
    const asking = Array.from({ length: count }, (_, n) => askOne(among[n % among.length]!, this.callerKey, wanted));
    return new Answers(await Promise.all(asking));
  }

  /** The replica that holds the lease on a refresh, as soon as there is one. */
  leaderOf({ client, merchant_vat }: Wanted, ask = this.alive[0]!): Promise<RunningBroker> {
    const query = new URLSearchParams({ client, ...(merchant_vat !== undefined && { merchant_vat }) });
    return eventually(async () => {
      const { json } = await call('GET', `${ask.url}/v1/tokens/explain?${query.toString()}`, {
        headers: bearer(ask.adminKey),
      });
      const shared = json['shared'] as { lease?: { replica: string } } | null;
      return this.brokers.find(({ process }) => shared?.lease?.replica.endsWith(`-${process.child.pid}`));
    });
  }

  /** Waits until so many calls for a client have reached the sandbox. */
  untilCalled(client: string, times = 1): Promise<true> {
    return eventually(async () => (await this.calls(client)) >= times || undefined, 15_000);
  }

  /** How many calls for a client have reached the sandbox. */
  calls(client: string): Promise<number> {
    return this.sandbox.calls(`${client}-id`);
  }

  /** When they came, on the sandbox's clock. */
  async callTimes(client: string): Promise<number[]> {
    const { clients } = await this.sandbox.stats();
    const ours = clients.filter(({ client_id }) => client_id === `${client}-id`);
    return ours.flatMap(({ times }) => times).toSorted((a, b) => a - b);
  }

  fault(client: string, fault: object): Promise<void> {
    return this.sandbox.fault({ ...fault, client_id: `${client}-id` });
  }

  /** One value of a replica's metrics, or the sum of all that have that name. */
  async metric(broker: RunningBroker, name: string): Promise<number> {
    const { text } = await call('GET', `${broker.url}/metrics`, { headers: bearer(broker.adminKey) });
    const lines = text.split('\n').filter((line) => line.startsWith(name));
    return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  /** Waits until every replica, or those given, sees Redis as up or as away. */
  async untilRedisIs(state: 'up' | 'away', among = this.alive): Promise<void> {
    const wanted = state === 'up' ? 1 : 0;
    await eventually(async () => {
      const seen = await Promise.all(among.map((each) => this.metric(each, 'token_broker_redis_up ')));
      return seen.every((each) => each === wanted) || undefined;
    }, 15_000);
  }

  /** What the store that all share knows of a client's keys, as one replica tells. */
  async shared(client: string, ask = this.alive[0]!): Promise<{ state: string; token_id?: string }[]> {
    const url = `${ask.url}/v1/tokens?client=${client}`;
    const { json } = await call('GET', url, { headers: bearer(ask.adminKey) });
    return json['items'] as { state: string; token_id?: string }[];
  }

  kill(broker: RunningBroker): void {
    this.#gone.add(broker);
    broker.process.child.kill('SIGKILL');
  }

  /** Ends one or all as an orchestrator would. */
  async stop(which = this.alive): Promise<void> {
    for (const broker of which) this.#gone.add(broker);
    await Promise.all(
      which.map(({ process }) => {
        process.child.kill('SIGCONT');
        return process.stop();
      }),
    );
  }

  /** What went wrong inside of them, by their output, since this was last asked for; empty if all is well. */
  takeHarm(): string[] {
    return this.brokers.flatMap((broker) => {
      const { child } = broker.process;
      const ended = this.#gone.has(broker) ? null : (child.exitCode ?? child.signalCode);
      const output = broker.process.output();
      const lines = output
        .slice(this.#read.get(broker))
        .split('\n')
        .filter((line) => HARM.test(line));
      this.#read.set(broker, output.length);
      return ended === null ? lines : [`ended with ${ended}`, ...lines];
    });
  }
}

const running = new Set<Replicas>();

/** No replica of this test file has crashed, or printed anything that only a defect prints. */
export function expectNobodyHarmed(): void {
  expect([...running].flatMap((each) => each.takeHarm())).toEqual([]);
}

/** All that the replicas of this test file have printed, by replica. */
export function printed(): string {
  const brokers = [...running].flatMap((each) => each.brokers);
  return brokers.map(({ process }, n) => `--- ${n}, process ${process.child.pid}\n${process.output()}`).join('\n');
}

// One that is left stopped would not heed the signal that ends it.
afterAll(() => {
  for (const { brokers } of running) for (const { process } of brokers) process.child.kill('SIGCONT');
});

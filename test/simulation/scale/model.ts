/** What a simulated day is made of. Every figure is an assumption of the reader's; the defaults are one shop day. */
export interface Model {
  /** Merchants with a token of their own, in the whole world. */
  readonly keys: number;
  /** How many of them one client of MobilePay's has: they share its five calls at once. */
  readonly keysPerClient: number;
  /** How many keys are simulated: whole clients, so that what keys share is shared in the sample as well. */
  readonly sample: number;
  readonly replicas: number;
  /** Among how many of them a load balancer spreads the requests for one key. Absent for all. */
  readonly replicasPerKey?: number;
  /** For each key and hour in which its shop is open, on average. */
  readonly requestsPerKeyPerHour: number;
  /** Hours of the day, 0 to 24. */
  readonly opensAt: number;
  readonly closesAt: number;
  /** Each shop opens and closes earlier or later by up to this, in minutes. */
  readonly spreadMinutes: number;
  /** Life of a token, in s. */
  readonly lifeSeconds: number;
  /** How long MobilePay takes on average, in ms: half to one and a half of it. */
  readonly upstreamMs: number;
  /** One round trip to Redis, in ms. */
  readonly redisMs: { readonly least: number; readonly most: number };
  /** When the simulation ends, in hours after midnight: a multiple of a quarter. */
  readonly hours: number;
  readonly seed: number;
}

export const defaultModel: Model = {
  keys: 1_000_000,
  keysPerClient: 500,
  sample: 1_000,
  replicas: 200,
  requestsPerKeyPerHour: 20,
  opensAt: 9,
  closesAt: 20,
  spreadMinutes: 30,
  lifeSeconds: 3_600,
  upstreamMs: 200,
  redisMs: { least: 0.3, most: 1.5 },
  hours: 24,
  seed: 1,
};

export const HOUR_MS = 3_600_000;

/** How busy a shop is, `share` of the way from its opening (0) to its closing (1): 1 on average, 0.5 at both ends and in
 *  the middle, 1.5 at a quarter and at three quarters, before noon and in the afternoon. 0 when it is closed. */
export function busyness(share: number): number {
  return share < 0 || share >= 1 ? 0 : 1 - 0.5 * Math.cos(4 * Math.PI * share);
}
export const BUSIEST = 1.5;

/** The next request for a key after `afterMs`, or undefined if there is none on this day: a Poisson process whose rate
 *  follows the shop's day, thinned from its highest rate.
 *  @param random 0 inclusive to 1 exclusive */
export function nextRequestAtMs(
  model: Model,
  shiftMs: number,
  afterMs: number,
  random: () => number,
): number | undefined {
  const opensMs = model.opensAt * HOUR_MS + shiftMs;
  const openMs = (model.closesAt - model.opensAt) * HOUR_MS;
  const meanMs = HOUR_MS / (model.requestsPerKeyPerHour * BUSIEST);
  for (let atMs = Math.max(afterMs, opensMs); ;) {
    atMs -= meanMs * Math.log(1 - random());
    if (atMs >= opensMs + openMs) return undefined;
    if (random() * BUSIEST < busyness((atMs - opensMs) / openMs)) return atMs;
  }
}

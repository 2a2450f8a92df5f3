import { computed, signal } from '@preact/signals';

/** What the clock of this machine and that of the broker differ by before it is believed to be more than the network. */
const MOST_DRIFT_MS = 1_500;

let offsetMs = 0;

/** Now, on the broker's clock: lives and ages are told by it. One tick a second moves all that runs down. */
export const nowMs = signal(Date.now());

/** For what need not move each second. */
export const nowMinute = computed(() => Math.floor(nowMs.value / 60_000) * 60_000);

export function brokerNow(): number {
  return Date.now() + offsetMs;
}

export function setBrokerTime(atMs: number): void {
  if (Math.abs(atMs - brokerNow()) > MOST_DRIFT_MS) offsetMs = atMs - Date.now();
}

export function startClock(): void {
  const tick = () => {
    // A page that nobody sees costs nothing.
    if (!document.hidden) nowMs.value = brokerNow();
  };
  setInterval(tick, 1_000);
  document.addEventListener('visibilitychange', tick);
}

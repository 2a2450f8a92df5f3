const MOST_TIMES = 1_000;

interface Count {
  readonly client_id: string;
  readonly merchant_vat: string | null;
  calls: number;
  issued: number;
  /** When the calls came, ms since 1970: the last 1000. */
  readonly times: number[];
}

/** Counts token calls per client and merchant. */
export class Stats {
  readonly #counts = new Map<string, Count>();

  /** Counts a call as it arrives; whatever comes of it. */
  called(clientId: string, merchantVat: string | undefined): void {
    const count = this.#count(clientId, merchantVat);
    count.calls += 1;
    count.times.push(Date.now());
    if (count.times.length > MOST_TIMES) count.times.shift();
  }

  issued(clientId: string, merchantVat: string | undefined): void {
    this.#count(clientId, merchantVat).issued += 1;
  }

  get report(): { token_calls: number; issued: number; clients: Count[] } {
    const clients = [...this.#counts.values()];
    const sum = (what: 'calls' | 'issued') => clients.reduce((total, count) => total + count[what], 0);
    return { token_calls: sum('calls'), issued: sum('issued'), clients };
  }

  clear(): void {
    this.#counts.clear();
  }

  #count(clientId: string, merchantVat: string | undefined): Count {
    const key = JSON.stringify([clientId, merchantVat]);
    let count = this.#counts.get(key);
    if (!count) {
      count = { client_id: clientId, merchant_vat: merchantVat ?? null, calls: 0, issued: 0, times: [] };
      this.#counts.set(key, count);
    }
    return count;
  }
}

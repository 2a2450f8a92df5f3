import { Logger, type OnApplicationShutdown } from '@nestjs/common';

import { type BrokerConfig, ConfigError } from './broker-config.js';
import type { Environment } from './environment.js';
import type { GivenSettings } from './given-settings.js';
import { readConfig } from './read-config.js';

/** How often the files are looked at, in ms. Kubernetes swaps a link above them, which watchers of files may miss. */
const LOOK_EVERY_MS = 1_000;
/** How often settings are tried again that could not be used, in ms: what they refer to may have been mended. */
const RETRY_EVERY_MS = 10_000;

/** What made us look: a signal, or a file that has changed. */
export type ReloadCause = 'signal' | 'file';

/** A part of the broker that takes settings over while it runs. */
export interface ReloadablePart {
  readonly settings: readonly (keyof Environment)[];
  /** @throws ConfigError if it cannot; then nothing is changed. Only the first of all parts may. */
  take(config: BrokerConfig): void | Promise<void>;
}

/** What was taken over, for the log and the audit trail. */
export interface Reloaded {
  readonly by: ReloadCause;
  readonly settings: readonly string[];
  /** Their ids, if they are among it; the first seals. */
  readonly master_keys?: readonly string[];
}

/**
 * Takes changed settings over without a restart: on SIGHUP at once, and within two seconds when a file has changed. All of
 * them or, if any is wrong, none. What cannot be taken over is named, and waits for a restart.
 */
export class SettingsReload implements OnApplicationShutdown {
  readonly #log = new Logger('settings');
  readonly #inUse: Map<string, string>;
  #parts: readonly ReloadablePart[] = [];
  #onReloaded: (reloaded: Reloaded) => void = () => {};
  #end = () => {};
  #isBusy = false;
  #isSignalled = false;
  /** What the files held at the last look, and what they held when they were last read. */
  #seen = '';
  #judged = '';
  #mistakes: string | undefined;
  #retryAtMs = 0;
  #loadedAtMs = Date.now();

  constructor(
    private readonly given: GivenSettings,
    { fingerprints }: BrokerConfig,
  ) {
    this.#inUse = new Map(fingerprints);
  }

  /** Whether what is set now cannot be used, so that what was set before is in use. */
  get failing(): boolean {
    return this.#mistakes !== undefined;
  }

  /** When the settings were last read and found good, in ms since 1970. */
  get loadedAtMs(): number {
    return this.#loadedAtMs;
  }

  begin(parts: readonly ReloadablePart[], onReloaded: (reloaded: Reloaded) => void): void {
    this.#parts = parts;
    this.#onReloaded = onReloaded;
    const onSignal = () => void this.work('signal');
    process.on('SIGHUP', onSignal);
    const timer = setInterval(() => void this.work('file'), LOOK_EVERY_MS).unref();
    this.#end = () => {
      process.off('SIGHUP', onSignal);
      clearInterval(timer);
    };
  }

  onApplicationShutdown(): void {
    this.#end();
  }

  /** One at a time. However many signals come meanwhile, they are answered together. */
  async work(cause: ReloadCause): Promise<void> {
    this.#isSignalled ||= cause === 'signal';
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      if (cause === 'file') await this.#look();
      while (this.#isSignalled) {
        this.#isSignalled = false;
        this.#judged = await this.given.look();
        await this.#reload('signal');
      }
    } finally {
      this.#isBusy = false;
    }
  }

  /** Half of such a file may be as good as all of it: only what is the same at two looks is whole. */
  async #look(): Promise<void> {
    const found = await this.given.look();
    const isWhole = found === this.#seen;
    this.#seen = found;
    const isDue = found !== this.#judged || (this.failing && performance.now() >= this.#retryAtMs);
    if (!isWhole || !isDue) return;
    this.#judged = found;
    await this.#reload('file');
  }

  async #reload(by: ReloadCause): Promise<void> {
    try {
      const config = readConfig(this.given.read());
      const changed = new Set(
        [...config.fingerprints].filter(([name, print]) => this.#inUse.get(name) !== print).map(([name]) => name),
      );
      const taken = await this.#take(config, changed);
      this.#tell(
        by,
        config,
        taken,
        [...changed].filter((name) => !taken.includes(name)),
      );
    } catch (error) {
      const isMistake = error instanceof ConfigError;
      this.#refuse(by, isMistake ? error.problems.join('; ') : 'a defect of the broker: see internal_error');
      if (!isMistake) throw error;
    }
  }

  /** @returns the names of what was taken over */
  async #take(config: BrokerConfig, changed: ReadonlySet<string>): Promise<string[]> {
    const taken: string[] = [];
    for (const part of this.#parts) {
      const theirs = part.settings.filter((name) => changed.has(name));
      if (theirs.length === 0) continue;
      await part.take(config);
      for (const name of theirs) this.#inUse.set(name, config.fingerprints.get(name) ?? '');
      taken.push(...theirs);
    }
    return taken;
  }

  #tell(by: ReloadCause, { vaultKeys }: BrokerConfig, taken: readonly string[], waiting: readonly string[]): void {
    if (taken.length > 0) {
      const reloaded = { by, settings: taken, ...(taken.includes('VAULT_KEYS') && { master_keys: vaultKeys.ids }) };
      this.#log.log({ event: 'settings_reloaded', ...reloaded });
      this.#onReloaded(reloaded);
    } else if (this.failing || (by === 'signal' && waiting.length === 0)) {
      this.#log.log({ event: 'settings_unchanged', by });
    }
    if (waiting.length > 0) this.#log.warn({ event: 'settings_need_restart', settings: waiting });
    this.#mistakes = undefined;
    this.#loadedAtMs = Date.now();
  }

  /** Said once, and to whoever sends a signal. */
  #refuse(by: ReloadCause, reason: string): void {
    if (by === 'signal' || reason !== this.#mistakes) this.#log.error({ event: 'settings_unusable', by, reason });
    this.#mistakes = reason;
    this.#retryAtMs = performance.now() + RETRY_EVERY_MS;
  }
}

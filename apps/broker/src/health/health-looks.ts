import { Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';

import type { Clock } from '#token';

import type { HealthPart } from './health-part.js';

/** From the end of one look to the beginning of the next, in ms. */
const EVERY_MS = 1_000;
/** The longest look, in ms: longer than a command to Redis may take. */
const LIMIT_MS = 700;

/** Looks at every part once a second, whether somebody asks or not: who asks is told what was seen last. */
export class HealthLooks implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #log = new Logger('health');
  readonly #seen = new Map<string, HealthIndicatorResult>();
  readonly #down = new Set<string>();
  #cancel = (): void => {};
  #ended = false;

  constructor(
    private readonly parts: readonly HealthPart[],
    private readonly indicators: HealthIndicatorService,
    private readonly clock: Clock,
    private readonly limitMs = LIMIT_MS,
  ) {}

  /** Before the first request can come. */
  onApplicationBootstrap(): Promise<void> {
    return this.#lookAtAll();
  }

  onModuleDestroy(): void {
    this.#ended = true;
    this.#cancel();
  }

  /** How these parts were when they were last looked at, or all of them. */
  of(names: readonly string[] = this.parts.map(({ name }) => name)): HealthIndicatorResult[] {
    return names.map((name) => this.#seen.get(name) ?? this.indicators.check(name).down('was not looked at yet'));
  }

  async #lookAtAll(): Promise<void> {
    try {
      await Promise.all(this.parts.map((part) => this.#look(part)));
    } finally {
      if (!this.#ended) this.#cancel = this.clock.schedule(EVERY_MS, () => void this.#lookAtAll());
    }
  }

  /** Throws nothing: a part that cannot be looked at is down. */
  async #look(part: HealthPart): Promise<void> {
    const { name } = part;
    const check = this.indicators.check(name);
    const attempt = check.attempt(async ({ signal }) => {
      try {
        return await part.look(signal);
      } catch (error) {
        if (!this.#down.has(name)) this.#log.error({ event: 'health_look_failed', part: name, error });
        const kind = error instanceof Error ? error.name : 'unknown';
        throw new Error(`the look at it failed (${kind}): the log says more`, { cause: error });
      }
    });
    const { status, responseTime: _, ...facts } = (await attempt.withTimeout(this.limitMs))[name] ?? { status: 'down' };
    const isDown = status === 'down';
    this.#seen.set(
      name,
      isDown ? check.down(facts) : facts['reason'] === undefined ? check.up(facts) : check.degraded(facts),
    );
    this.#tell(name, isDown, facts['message']);
  }

  /** Said once, until it is mended. */
  #tell(part: string, isDown: boolean, reason: unknown): void {
    if (isDown === this.#down.has(part)) return;
    if (isDown) {
      this.#down.add(part);
      this.#log.error({ event: 'health_part_down', part, reason });
    } else {
      this.#down.delete(part);
      this.#log.log({ event: 'health_part_up', part });
    }
  }
}

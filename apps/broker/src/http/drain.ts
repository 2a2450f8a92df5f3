import type { Socket } from 'node:net';

import { Injectable } from '@nestjs/common';

import { systemClock } from '../config/system-clock.js';

/** Whether the broker still takes traffic, and over which connections. */
@Injectable()
export class Drain {
  readonly #sockets = new Set<Socket>();
  readonly #listeners = new Set<() => void>();
  #draining = false;
  #endsAtMs = Infinity;

  get draining(): boolean {
    return this.#draining;
  }

  /** All open connections, those in their handshake included. */
  get sockets(): Iterable<Socket> {
    return this.#sockets;
  }

  /** Until everything must have ended, in ms: Infinity until `endWithin` is called, and never below 0. */
  get leftMs(): number {
    return Math.max(0, this.#endsAtMs - systemClock.now());
  }

  endWithin(limitMs: number): void {
    this.#endsAtMs = systemClock.now() + limitMs;
  }

  begin(): void {
    this.#draining = true;
    for (const listener of this.#listeners) listener();
  }

  /** Calls `listener` when it begins. */
  onBegin(listener: () => void): void {
    this.#listeners.add(listener);
  }

  keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }
}

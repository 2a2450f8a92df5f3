import type { Socket } from 'node:net';

import { Injectable } from '@nestjs/common';

import { systemClock } from '../config/system-clock.js';

/** How long a request may be on its way over a new connection, in ms. */
const FIRST_BYTE_MS = 1_000;

/** Whether the broker still takes traffic, and over which connections. */
@Injectable()
export class Drain {
  /** And since when they are open. */
  readonly #sockets = new Map<Socket, number>();
  readonly #listeners = new Set<() => void>();
  #draining = false;
  #endsAtMs = Infinity;

  get draining(): boolean {
    return this.#draining;
  }

  /** All open connections, those in their handshake included. One of TLS is there twice: what is sent, and what it means. */
  get sockets(): Iterable<Socket> {
    return this.#sockets.keys();
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
    this.#sockets.set(socket, systemClock.now());
    socket.once('close', () => this.#sockets.delete(socket));
  }

  /** Closes connections over which nothing ever came but a handshake, as those of a pool: Node takes them for busy. */
  closeUnused(): void {
    const newestMs = systemClock.now() - FIRST_BYTE_MS;
    for (const [socket, sinceMs] of this.#sockets) if (socket.bytesRead === 0 && sinceMs < newestMs) socket.destroy();
  }
}

import type { Socket } from 'node:net';

import { Injectable } from '@nestjs/common';

/** Whether the broker still takes traffic, and over which connections. */
@Injectable()
export class Drain {
  readonly #sockets = new Set<Socket>();
  readonly #listeners = new Set<() => void>();
  #draining = false;

  get draining(): boolean {
    return this.#draining;
  }

  /** All open connections, those in their handshake included. */
  get sockets(): Iterable<Socket> {
    return this.#sockets;
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

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';

import { type CallerRecord, Vault } from '#vault';

import type { Caller } from '../http/caller.js';
import { certificateNames } from './certificate-names.js';

interface ShownCertificate {
  readonly names: readonly string[];
  /** ms since 1970, as both. */
  readonly fromMs: number;
  readonly toMs: number;
}

const NONE: ShownCertificate = { names: [], fromMs: Infinity, toMs: 0 };

/** Finds out whom a client certificate speaks for. */
@Injectable()
export class CertificateCallers implements OnModuleDestroy {
  readonly #log = new Logger('access');
  readonly #unsubscribe: () => void;
  /** What connections have shown. Their handshakes are done: it does not change. */
  readonly #shown = new WeakMap<TLSSocket, ShownCertificate>();
  /** What was logged already. */
  readonly #ambiguous = new Set<string>();
  #holders = new Map<string, CallerRecord[]>();

  constructor(private readonly vault: Vault) {
    this.#index();
    this.#unsubscribe = vault.onChange(() => this.#index());
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  /** @returns undefined if the connection has none that is to be believed now, or it speaks for nobody, or for several */
  find(socket: Socket): Caller | undefined {
    if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
    const { names, fromMs, toMs } = this.#certificateOf(socket);
    const now = Date.now();
    if (!(fromMs <= now && now <= toMs)) return undefined;
    let found: CallerRecord | undefined;
    for (const name of names) {
      for (const holder of this.#holders.get(name) ?? []) {
        if (found && found !== holder) return this.#refuse([found.name, holder.name]);
        found = holder;
      }
    }
    return found;
  }

  #certificateOf(socket: TLSSocket): ShownCertificate {
    let shown = this.#shown.get(socket);
    if (!shown) {
      // Absent though authorized: a resumed session that began without one.
      const certificate = socket.getPeerX509Certificate();
      shown = certificate
        ? {
            names: certificateNames(certificate.subjectAltName),
            fromMs: Date.parse(certificate.validFrom),
            toMs: Date.parse(certificate.validTo),
          }
        : NONE;
      this.#shown.set(socket, shown);
    }
    return shown;
  }

  #refuse(callers: readonly string[]): undefined {
    const key = callers.toSorted().join(' ');
    if (this.#ambiguous.has(key)) return;
    this.#ambiguous.add(key);
    this.#log.error({ event: 'certificate_ambiguous', callers });
  }

  #index(): void {
    this.#holders = new Map();
    this.#ambiguous.clear();
    for (const caller of this.vault.callers) {
      for (const name of caller.certificateNames) {
        this.#holders.set(name, [...(this.#holders.get(name) ?? []), caller]);
      }
    }
  }
}

import { Injectable } from '@nestjs/common';
import { Gauge, Registry } from 'prom-client';

import { bySuitability, type ClientRecord, Vault } from '#vault';

import { VaultFollower } from '../vault/vault-follower.js';
import { RejectedClients } from './rejected-clients.js';

/** What the vault holds, and whose credentials somebody has to look after. */
@Injectable()
export class VaultMetrics {
  constructor(registry: Registry, vault: Vault, follower: VaultFollower, rejected: RejectedClients) {
    const gauge = (name: string, help: string, value: () => number): void => {
      const each: Gauge = new Gauge({ name, help, registers: [registry], collect: () => each.set(value()) });
    };
    const records: Gauge<'kind'> = new Gauge({
      name: 'token_broker_vault_records',
      help: 'Records in the vault: clients, callers, those that no master key at hand opens (locked), and those of a newer version.',
      labelNames: ['kind'],
      registers: [registry],
      collect: () => {
        records.set({ kind: 'client' }, vault.clients.length);
        records.set({ kind: 'caller' }, vault.callers.length);
        records.set({ kind: 'locked' }, vault.locked.size);
        records.set({ kind: 'newer' }, vault.newer.size);
      },
    });
    gauge(
      'token_broker_vault_age_seconds',
      'Time since the copy of the vault in this replica last agreed with its store.',
      () => follower.ageMs / 1_000,
    );
    gauge(
      'token_broker_clients_on_old_secret',
      'Clients with two secrets whose older one is still the one in use.',
      () => vault.clients.filter(isOnOldSecret).length,
    );
    gauge(
      'token_broker_clients_rejected',
      'Clients whose credentials MobilePay refuses now, as this replica knows.',
      () => rejected.count,
    );
  }
}

/** What is switched off uses none. */
function isOnOldSecret({ secrets, enabled }: ClientRecord): boolean {
  // The newest stands first.
  return enabled && secrets.length > 1 && bySuitability(secrets)[0] !== secrets[0];
}

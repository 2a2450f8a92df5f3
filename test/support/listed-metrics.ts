import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { root } from './processes.js';

const PAGE = join(root, 'docs/metrics.md');

/** Until docs/metrics.md is there: what it will list. */
const AGREED = `
  refreshes_total unleased_calls_total duplicate_tokens_total leases_lost_total audit_lines_total audit_lines_lost_total
  redis_up vault_redis_up tokens_served_total refresh_duration_seconds lease_wait_seconds upstream_requests_total
  upstream_request_duration_seconds shortest_token_life_seconds keys redis_command_duration_seconds breaker_open
  callers_refused_total vault_age_seconds vault_records clients_on_old_secret clients_rejected ready replicas build_info`;

/** The broker's own metrics, as docs/metrics.md lists them. */
export function listedMetrics(): Set<string> {
  if (!existsSync(PAGE)) return new Set(AGREED.match(/\w+/g)?.map((name) => `token_broker_${name}`));
  const rows = readFileSync(PAGE, 'utf8').matchAll(/^\| *`(token_broker_\w+)/gm);
  return new Set([...rows].map(([, name = '']) => name));
}

import type { ReplicaStatus } from '#cluster';

import { nowMs } from '../model/clock.js';
import { absolute, counted, duration } from '../model/format.js';
import { status } from '../model/live.js';
import { CardTitle } from './card.js';

const MOST_LED = 2;

export function Replicas() {
  const replicas = status.value?.replicas ?? [];
  const versions = new Set(replicas.map(({ version }) => version));
  return (
    <section class="card" aria-labelledby="replicas">
      <CardTitle
        id="replicas"
        aside={versions.size === 1 ? `version ${[...versions].join('')}` : counted(versions.size, 'version')}
      >
        Replicas
      </CardTitle>
      <ul class="lines">
        {replicas.map((replica) => (
          <Replica key={replica.name} replica={replica} isMixed={versions.size > 1} />
        ))}
      </ul>
    </section>
  );
}

function Replica({ replica, isMixed }: { replica: ReplicaStatus; isMixed: boolean }) {
  const { name, version, started_at, seen_seconds_ago, late, state, redis_up, keys, leading } = replica;
  const startedAtMs = Date.parse(started_at);
  const trouble =
    state === 'draining'
      ? 'draining'
      : late
        ? `last seen ${duration(seen_seconds_ago)} ago`
        : redis_up === false
          ? 'no Redis'
          : '';
  return (
    <li class="line">
      <span class={trouble ? 'dot warn' : 'dot ok'} />
      <div class="line-main">
        <p class="line-title">
          <span class="line-name" title={name}>
            {name}
          </span>
          {isMixed && <span class="tag">{version}</span>}
        </p>
        <p class="line-more">
          <span title={`Started ${absolute(startedAtMs)}`}>up {duration((nowMs.value - startedAtMs) / 1_000)}</span>
          <span>{counted(keys, 'token')} in memory</span>
        </p>
        {leading.length > 0 && <p class="line-more led">{ledText(leading)}</p>}
      </div>
      <span class={trouble ? 'line-state warn' : 'line-state'}>{trouble || 'ready'}</span>
    </li>
  );
}

function ledText(leading: ReplicaStatus['leading']): string {
  const named = leading
    .slice(0, MOST_LED)
    .map(({ client, merchant_vat }) => [client, merchant_vat].filter(Boolean).join(' · '));
  const rest = leading.length - named.length;
  return `refreshing ${named.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

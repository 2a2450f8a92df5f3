import type { ComponentChildren } from 'preact';

import type { StatusNow, StoreStatus, UpstreamStatus } from '#cluster';

import { nowMs } from '../model/clock.js';
import { absolute, ago, counted, duration, latency } from '../model/format.js';
import { status } from '../model/live.js';
import { CardTitle } from './card.js';

const KINDS: Readonly<Record<StoreStatus['kind'], string>> = {
  memory: 'Memory only',
  redis: 'Redis',
  sentinel: 'Redis Sentinel',
  cluster: 'Redis Cluster',
  file: 'File',
  directory: 'Directory',
};

/** What the replicas lean on. */
export function Stores() {
  const now = status.value;
  if (!now) return null;
  const { stores, upstreams, vault } = now;
  return (
    <section class="card" aria-labelledby="stores">
      <CardTitle id="stores" aside={`${counted(vault.clients, 'client')}, ${counted(vault.callers, 'caller')}`}>
        Redis and MobilePay
      </CardTitle>
      <ul class="lines">
        {stores.map((store) => (
          <Store key={store.holds} store={store} vault={now.vault} />
        ))}
        {upstreams.map((upstream) => (
          <Upstream key={upstream.environment} upstream={upstream} />
        ))}
      </ul>
    </section>
  );
}

function Store({ store, vault }: { store: StoreStatus; vault: StatusNow['vault'] }) {
  const { holds, kind, up, reason, away_seconds, latency_ms } = store;
  const away = `away${away_seconds === undefined ? '' : ` for ${duration(away_seconds)}`}`;
  return (
    <Line
      name={KINDS[kind]}
      tag={holds}
      tone={up ? 'ok' : 'bad'}
      state={up ? (latency_ms === null ? 'up' : latency(latency_ms)) : away}
    >
      {!up && reason !== undefined && <span class="bad">{reason}</span>}
      {holds === 'vault' && vault.locked > 0 && <span class="bad">{counted(vault.locked, 'record')} locked</span>}
      {holds === 'vault' && vault.newer > 0 && <span>{counted(vault.newer, 'record')} of a newer version</span>}
      <span>
        {holds === 'tokens'
          ? kind === 'memory'
            ? 'each replica has tokens of its own'
            : 'shared by all replicas'
          : `agreed ${duration(vault.age_seconds)} ago`}
      </span>
    </Line>
  );
}

function Upstream({ upstream }: { upstream: UpstreamStatus }) {
  const { environment, state, breaker, last_success_at, last_failure } = upstream;
  const isHeld = breaker.state !== 'closed';
  const tone =
    state === 'failing' || breaker.state === 'open' ? 'bad' : isHeld ? 'warn' : state === 'idle' ? 'idle' : 'ok';
  return (
    <Line
      name="MobilePay"
      tag={environment}
      tone={tone}
      state={isHeld ? breakerText(breaker) : state === 'ok' ? 'answers' : state}
    >
      {state === 'failing' && last_failure && (
        <span class="bad" title={`${last_failure.code}, ${absolute(Date.parse(last_failure.at))}`}>
          {last_failure.detail}
        </span>
      )}
      {last_success_at === undefined ? <span>no call yet</span> : <LastSuccess atMs={Date.parse(last_success_at)} />}
    </Line>
  );
}

function LastSuccess({ atMs }: { atMs: number }) {
  return <span title={absolute(atMs)}>last token {ago(atMs, nowMs.value)}</span>;
}

function breakerText({ state, retry_after }: UpstreamStatus['breaker']): string {
  if (state === 'half_open') return 'breaker trying';
  return retry_after > 0 ? `breaker open, ${retry_after} s` : 'breaker open';
}

interface LineProps {
  readonly name: string;
  readonly tag: string;
  readonly tone: 'ok' | 'warn' | 'bad' | 'idle';
  readonly state: string;
  readonly children: ComponentChildren;
}

function Line({ name, tag, tone, state, children }: LineProps) {
  return (
    <li class="line">
      <span class={`dot ${tone}`} />
      <div class="line-main">
        <p class="line-title">
          <span class="line-name">{name}</span>
          <span class="tag">{tag}</span>
        </p>
        <p class="line-more">{children}</p>
      </div>
      <span class={tone === 'ok' || tone === 'idle' ? 'line-state' : `line-state ${tone}`}>{state}</span>
    </li>
  );
}

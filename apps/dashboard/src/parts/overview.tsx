import type { Need, StatusNow } from '#cluster';

import { nowMs } from '../model/clock.js';
import { absolute, ago } from '../model/format.js';
import { searchHash } from '../model/hash.js';
import { isStale, status } from '../model/live.js';
import { headline, runbookName, summary } from '../model/words.js';
import { AlertIcon, CheckIcon, PauseIcon, WarningIcon } from './icons.js';

/** Is it well, and what needs me: the two questions of whoever was woken. */
export function Overview() {
  const now = status.value;
  if (!now) return null;
  const { needs } = now;
  const health = isStale.value ? 'unknown' : now.health;
  return (
    <section class="overview" aria-labelledby="headline">
      <div class="headline">
        <span class={`orb ${health}`}>
          <HealthIcon health={health} />
        </span>
        <div>
          <h1 id="headline" aria-live="polite">
            {isStale.value ? 'Not known right now' : headline(now)}
          </h1>
          <p class="summary">
            {isStale.value
              ? `When last heard of: ${headline(now)}. `
              : needs.length === 0 && <strong>Nothing needs you. </strong>}
            {summary(now)}
          </p>
        </div>
      </div>
      {needs.length > 0 && (
        <section aria-labelledby="needs">
          <h2 id="needs" class="section-title">
            What needs you
          </h2>
          <ul class="needs">
            {needs.map((need) => (
              <NeedLine key={needKey(need)} need={need} />
            ))}
          </ul>
        </section>
      )}
    </section>
  );
}

function HealthIcon({ health }: { health: StatusNow['health'] | 'unknown' }) {
  switch (health) {
    case 'ok':
      return <CheckIcon size={22} />;
    case 'degraded':
      return <WarningIcon size={22} />;
    case 'critical':
      return <AlertIcon size={22} />;
    case 'unknown':
      return <PauseIcon size={22} />;
    default:
      return health satisfies never;
  }
}

function NeedLine({ need }: { need: Need }) {
  const { severity, detail, runbook, since, client, merchant_vat, environment, replica } = need;
  const isCritical = severity === 'critical';
  return (
    <li class={`need ${severity}`}>
      {isCritical ? <AlertIcon /> : <WarningIcon />}
      <div>
        <p class="need-detail">
          <span class="hidden">{isCritical ? 'Critical: ' : 'Warning: '}</span>
          {detail}
        </p>
        <p class="need-more">
          {since !== undefined && <Since atMs={Date.parse(since)} />}
          {client !== undefined ? (
            <a href={searchHash(client, merchant_vat)} onClick={showTable}>
              Show {[client, merchant_vat].filter(Boolean).join(' · ')}
            </a>
          ) : (
            (replica ?? environment) !== undefined && <span>{replica ?? environment}</span>
          )}
          <span>
            Runbook <code title={runbook}>{runbookName(runbook)}</code>
          </span>
        </p>
      </div>
    </li>
  );
}

function Since({ atMs }: { atMs: number }) {
  return <span title={absolute(atMs)}>Since {ago(atMs, nowMs.value).replace(/ ago$/, '')}</span>;
}

function showTable(): void {
  const table = document.getElementById('keys');
  table?.scrollIntoView({ block: 'start' });
  // Where the search now stands, for whoever goes on by keyboard.
  table?.querySelector<HTMLElement>('input[type=search]')?.focus({ preventScroll: true });
}

function needKey({ code, client, merchant_vat, environment, replica }: Need): string {
  return [code, client, merchant_vat, environment, replica].join('/');
}

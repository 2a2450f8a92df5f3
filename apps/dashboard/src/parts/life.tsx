import { nowMs } from '../model/clock.js';
import { countdown, duration } from '../model/format.js';
import { EXPIRING_SHARE, type Row } from '../model/rows.js';

/** A token's life, running down. It alone is drawn each second, not its row. */
export function Life({ row }: { row: Row }) {
  const leftMs = Math.max(0, row.expiresAtMs - nowMs.value);
  if (leftMs === 0) return <span class="life none">no token</span>;
  const part = row.lifeMs > 0 ? Math.min(1, leftMs / row.lifeMs) : 0;
  return (
    <span
      class={`life ${toneOf(row, part)}`}
      title={`${duration(leftMs / 1_000)} left of ${duration(row.lifeMs / 1_000)}`}
    >
      <span class="life-bar" aria-hidden="true">
        <span style={{ transform: `scaleX(${part.toFixed(4)})` }} />
      </span>
      <span class="life-text">{countdown(leftMs / 1_000)}</span>
    </span>
  );
}

/** A token whose renewal fails is no worse than another until it is near its end. */
function toneOf({ state }: Row, part: number): string {
  if (part > EXPIRING_SHARE && state !== 'expiring') return '';
  return state === 'failing' ? 'failing' : 'expiring';
}

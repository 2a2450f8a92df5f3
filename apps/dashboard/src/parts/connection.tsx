import { nowMs } from '../model/clock.js';
import { clockTime, duration } from '../model/format.js';
import { isLost, lastHeardMs, reconnectNow, status } from '../model/live.js';

/** Says calmly that what is shown is of the past. The region is always there, so that its words are read out. */
export function Connection() {
  return (
    <div role="status" class={isLost.value ? 'connection' : 'hidden'}>
      {isLost.value && (
        <>
          <p>
            <strong>Connection lost.</strong>{' '}
            {status.value ? `You see how it was at ${clockTime(lastHeardMs.value)}.` : 'Nothing could be read yet.'}{' '}
            Trying again by itself.
          </p>
          <Since />
          <button class="button" type="button" onClick={reconnectNow}>
            Try now
          </button>
        </>
      )}
    </div>
  );
}

/** Not read out: it moves each second. */
function Since() {
  // Only so that it is drawn again.
  void nowMs.value;
  return (
    <span class="connection-since" aria-hidden="true">
      {duration((Date.now() - lastHeardMs.value) / 1_000)} ago
    </span>
  );
}

import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

import { type Action, questionOf } from '../model/actions.js';
import { ApiError } from '../model/api.js';
import { type Asked, asked } from '../model/asking.js';
import { act, type Outcome, readClient } from '../model/doing.js';
import type { Row } from '../model/rows.js';
import { CheckIcon, WarningIcon } from './icons.js';
import { Dialog } from './dialog.js';

export function Ask() {
  const now = asked.value;
  return now ? <AskDialog key={`${now.what} ${now.row.id}`} what={now.what} row={now.row} /> : null;
}

/** Asks, does, and says what came of it: in one place, which stays until it was read. */
function AskDialog({ what, row }: { what: Asked; row: Row }) {
  const action = useSignal<Action | undefined>(what === 'switch' ? undefined : what);
  const isBusy = useSignal(false);
  const outcome = useSignal<Outcome | undefined>(undefined);
  const etag = useRef<string | undefined>(undefined);
  const first = useRef<HTMLButtonElement>(null);
  const close = () => {
    asked.value = undefined;
  };
  /** Whatever is refused is said in the same place. */
  const attempt = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      outcome.value = { isGood: false, text: sentence(error.detail) };
    }
  };

  useEffect(() => {
    if (what !== 'switch') return;
    void attempt(async () => {
      const client = await readClient(row.client);
      etag.current = client.etag;
      action.value = client.body.enabled ? 'disable' : 'enable';
    });
  }, []);
  // The harmless way out: Enter pressed too soon does nothing.
  useEffect(() => first.current?.focus(), [isBusy.value, action.value]);

  const go = async (agreed: Action) => {
    isBusy.value = true;
    await attempt(async () => {
      outcome.value = await act(agreed, row, etag.current);
    });
    isBusy.value = false;
  };

  const question = action.value && questionOf(action.value, row);
  return (
    <Dialog class="ask" labelledBy="ask-title" isHeld={isBusy.value} onClose={close}>
      <h2 id="ask-title">{question?.title ?? `Disable or enable ${row.client}?`}</h2>
      {!outcome.value && <p>{question?.text ?? 'Reading the client …'}</p>}
      <div role="status">
        {outcome.value && (
          <p class={outcome.value.isGood ? 'outcome good' : 'outcome poor'}>
            {outcome.value.isGood ? <CheckIcon /> : <WarningIcon />}
            <span>{outcome.value.text}</span>
          </p>
        )}
      </div>
      <div class="ask-buttons">
        <button ref={first} class="button" type="button" disabled={isBusy.value} onClick={close}>
          {outcome.value ? 'Close' : 'Cancel'}
        </button>
        {!outcome.value && question && (
          <button
            class={question.isGrave ? 'button grave' : 'button primary'}
            type="button"
            aria-disabled={isBusy.value}
            onClick={() => {
              if (action.value && !isBusy.value) void go(action.value);
            }}
          >
            {isBusy.value ? 'Working …' : question.button}
          </button>
        )}
      </div>
    </Dialog>
  );
}

function sentence(detail: string): string {
  const text = detail.charAt(0).toUpperCase() + detail.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

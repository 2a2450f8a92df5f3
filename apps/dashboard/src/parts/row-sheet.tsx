import type { ComponentChildren } from 'preact';

import { ask } from '../model/asking.js';
import { nowMs } from '../model/clock.js';
import { absolute, ago } from '../model/format.js';
import { openRow } from '../model/keys.js';
import type { Row } from '../model/rows.js';
import { isAdmin } from '../model/session-state.js';
import { show } from '../model/shown.js';
import { STATE_WORDS } from '../model/words.js';
import { ClientSwitch } from './client-switch.js';
import { Dialog } from './dialog.js';
import { Explain } from './explain.js';
import { CrossIcon, DropIcon, TestIcon } from './icons.js';
import { Life } from './life.js';

export function RowSheet() {
  const row = openRow.value;
  return row ? <Sheet key={row.id} row={row} /> : null;
}

/** All that is known of one key, and what can be done about it. */
function Sheet({ row }: { row: Row }) {
  const { client, merchant, scope, environment, state, error, errorCode } = row;
  const close = () => show({ open: '' });
  return (
    <Dialog class="sheet" labelledBy="sheet-title" onClose={close}>
      <header class="sheet-head">
        <div>
          <h2 id="sheet-title">{merchant || 'No merchant'}</h2>
          <p>
            {client} <span class="tag">{environment}</span>
          </p>
        </div>
        <button class="icon-button" type="button" aria-label="Close" onClick={close}>
          <CrossIcon />
        </button>
      </header>
      <div class="sheet-life">
        <span class={`state ${state}`}>
          <span class={`state-mark ${state}`} />
          {state}
        </span>
        <Life row={row} />
        <p>{STATE_WORDS[state]}.</p>
      </div>
      {(error || errorCode) && (
        <div class="sheet-error">
          <p>{error}</p>
          <code>{errorCode}</code>
        </div>
      )}
      {scope ? (
        <p class="sheet-note">
          This token has a scope of its own. What the next answer would be is told for tokens without one.
        </p>
      ) : (
        <Explain row={row} />
      )}
      <dl class="facts">
        <Fact name="Last refresh">
          {row.refreshedAtMs === 0 ? (
            'never'
          ) : (
            <span title={absolute(row.refreshedAtMs)}>{ago(row.refreshedAtMs, nowMs.value)}</span>
          )}
        </Fact>
        <Fact name="By replica">{row.refreshedBy || '–'}</Fact>
        <Fact name="Token id">{row.tokenId ? <code>{row.tokenId}</code> : '–'}</Fact>
        {scope && <Fact name="Scope">{scope}</Fact>}
      </dl>
      {isAdmin.value && (
        <div class="sheet-actions" role="group" aria-label="Actions">
          <button
            class="button"
            type="button"
            disabled={row.tokenId === undefined || scope !== ''}
            onClick={() => ask('invalidate', row)}
          >
            <DropIcon /> Invalidate token
          </button>
          <button class="button" type="button" onClick={() => ask('test', row)}>
            <TestIcon /> Test at MobilePay
          </button>
          <ClientSwitch row={row} />
        </div>
      )}
    </Dialog>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

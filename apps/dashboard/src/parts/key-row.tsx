import { ask } from '../model/asking.js';
import { nowMs } from '../model/clock.js';
import { absolute, ago } from '../model/format.js';
import { shortName } from '../model/live.js';
import type { Row } from '../model/rows.js';
import { isAdmin } from '../model/session-state.js';
import { STATE_WORDS } from '../model/words.js';
import { DropIcon, SwitchIcon, TestIcon } from './icons.js';
import { Life } from './life.js';

interface KeyRowProps {
  readonly row: Row;
  readonly index: number;
  readonly top: number;
  /** One row of the table takes part in the tab order; arrows lead to the others. */
  readonly isTabStop: boolean;
  readonly onOpen: (row: Row) => void;
}

export function KeyRow({ row, index, top, isTabStop, onOpen }: KeyRowProps) {
  const { client, merchant, scope, environment, state, error, errorCode } = row;
  return (
    <div
      class={`row ${state}`}
      role="row"
      aria-rowindex={index + 2}
      aria-haspopup="dialog"
      tabIndex={isTabStop ? 0 : -1}
      data-index={index}
      style={{ transform: `translateY(${top}px)` }}
      onClick={() => {
        // Whoever marks a number to copy it does not want the row.
        if (getSelection()?.isCollapsed !== false) onOpen(row);
      }}
    >
      <span role="gridcell" class="c-client" title={client}>
        {client}
      </span>
      <span role="gridcell" class="c-merchant">
        {merchant || <span class="faint">no merchant</span>}
        {scope && (
          <span class="tag" title="A scope of its own">
            {scope}
          </span>
        )}
      </span>
      <span role="gridcell" class="c-environment">
        {environment}
      </span>
      <span role="gridcell" class="c-state">
        <span class={`state ${state}`} title={STATE_WORDS[state]}>
          <span class={`state-mark ${state}`} />
          {state}
        </span>
      </span>
      <span role="gridcell" class="c-life">
        <Life row={row} />
      </span>
      <span role="gridcell" class="c-refreshed">
        <Refreshed row={row} />
      </span>
      <span role="gridcell" class="c-error" title={errorCode && `${errorCode}: ${error}`}>
        {error || errorCode}
      </span>
      <span role="gridcell" class="c-actions">
        {isAdmin.value && <RowActions row={row} />}
      </span>
    </div>
  );
}

function Refreshed({ row: { refreshedAtMs, refreshedBy } }: { row: Row }) {
  if (refreshedAtMs === 0) return <span class="faint">never</span>;
  return (
    <>
      <time dateTime={new Date(refreshedAtMs).toISOString()} title={absolute(refreshedAtMs)}>
        {ago(refreshedAtMs, nowMs.value)}
      </time>
      {refreshedBy && (
        <span class="faint" title={refreshedBy}>
          {' '}
          by {shortName(refreshedBy)}
        </span>
      )}
    </>
  );
}

/** For the pointer. By keyboard the same is in what Enter opens, so that Tab does not stop thrice in each row. */
function RowActions({ row }: { row: Row }) {
  const whom = [row.client, row.merchant].filter(Boolean).join(' ');
  const button = (action: 'invalidate' | 'test' | 'switch', label: string, icon: preact.JSX.Element, isOff = false) => (
    <button
      class="icon-button"
      type="button"
      tabIndex={-1}
      aria-label={`${label} ${action === 'switch' ? row.client : whom}`}
      title={label}
      disabled={isOff}
      onClick={(event) => {
        event.stopPropagation();
        ask(action, row);
      }}
    >
      {icon}
    </button>
  );
  return (
    <>
      {button('invalidate', 'Invalidate', <DropIcon />, row.tokenId === undefined || row.scope !== '')}
      {button('test', 'Test', <TestIcon />)}
      {button('switch', 'Disable or enable', <SwitchIcon />)}
    </>
  );
}

import { useEffect } from 'preact/hooks';

import { hasStatus, isStale, startLive, stopLive } from './model/live.js';
import { sessionState } from './model/session-state.js';
import { Ask } from './parts/ask.js';
import { Charts } from './parts/charts.js';
import { Connection } from './parts/connection.js';
import { KeyTable } from './parts/key-table.js';
import { Overview } from './parts/overview.js';
import { Replicas } from './parts/replicas.js';
import { RowSheet } from './parts/row-sheet.js';
import { SignIn } from './parts/sign-in.js';
import { Stores } from './parts/stores.js';
import { Timeline } from './parts/timeline.js';
import { TopBar } from './parts/top-bar.js';

export function App() {
  const state = sessionState.value;
  switch (state.kind) {
    case 'open':
      return <Dashboard />;
    case 'ended':
    case 'none':
      return <SignIn isEnded={state.kind === 'ended'} />;
    case 'unknown':
    case 'away':
      return (
        <main class="waiting">
          <p role="status">
            {state.kind === 'away' ? 'The broker cannot be reached. Trying again by itself …' : 'Asking the broker …'}
          </p>
        </main>
      );
    default:
      return state satisfies never;
  }
}

function Dashboard() {
  useEffect(() => {
    startLive();
    return stopLive;
  }, []);
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          // The address's # is taken: it says what is shown.
          event.preventDefault();
          document.getElementById('main')?.focus();
        }}
      >
        Skip to what matters
      </a>
      <TopBar />
      <Connection />
      <main id="main" tabIndex={-1} class={isStale.value ? 'page stale' : 'page'}>
        {hasStatus.value ? (
          <>
            <div class="now">
              <div class="now-main">
                <Overview />
                <Charts />
                <div class="pair">
                  <Replicas />
                  <Stores />
                </div>
              </div>
              <Timeline />
            </div>
            <KeyTable />
          </>
        ) : (
          <p class="waiting" role="status">
            Reading the state of the cluster …
          </p>
        )}
      </main>
      <RowSheet />
      <Ask />
    </>
  );
}

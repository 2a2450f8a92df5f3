import { useSignal } from '@preact/signals';

import { clockMinute } from '../model/format.js';
import { isLost, status } from '../model/live.js';
import { sessionState } from '../model/session-state.js';
import { signOut } from '../model/session.js';
import { setTheme, type Theme, theme, THEMES } from '../model/theme.js';
import { AutoIcon, LeaveIcon, Mark, MoonIcon, SunIcon } from './icons.js';

const THEME_WORDS: Readonly<Record<Theme, string>> = { auto: 'As the system', light: 'Light', dark: 'Dark' };

export function TopBar() {
  return (
    <header class="top">
      <div class="top-in">
        <div class="brand">
          <Mark />
          <span>Token broker</span>
        </div>
        <Live />
        <div class="top-end">
          <Who />
          <ThemeChoice />
          <SignOut />
        </div>
      </div>
    </header>
  );
}

function Live() {
  if (!status.value) return <span />;
  return isLost.value ? (
    <span class="live lost">Not connected</span>
  ) : (
    <span class="live" title="What you see changes as it happens">
      Live<span class="live-from"> from {status.value.answered_by}</span>
    </span>
  );
}

function Who() {
  const state = sessionState.value;
  if (state.kind !== 'open') return null;
  const { caller, roles, expires_at } = state.session;
  return (
    <p class="who">
      <span class="who-name">{caller}</span>
      {roles.includes('admin') && <span class="tag">admin</span>}
      <span class="who-until">until {clockMinute(Date.parse(expires_at))}</span>
    </p>
  );
}

function ThemeChoice() {
  return (
    <fieldset class="themes">
      <legend class="hidden">Theme</legend>
      {THEMES.map((each) => (
        <label key={each} title={THEME_WORDS[each]}>
          <input type="radio" name="theme" checked={theme.value === each} onChange={() => setTheme(each)} />
          <span class="hidden">{THEME_WORDS[each]}</span>
          {each === 'auto' ? <AutoIcon /> : each === 'light' ? <SunIcon /> : <MoonIcon />}
        </label>
      ))}
    </fieldset>
  );
}

function SignOut() {
  const problem = useSignal('');
  async function leave() {
    problem.value = (await signOut()) ? '' : 'Still signed in: the broker cannot be reached';
  }
  return (
    <>
      <button class="button quiet" type="button" onClick={() => void leave()}>
        <LeaveIcon />
        <span class="sign-out-text">Sign out</span>
      </button>
      <span role="alert" class={problem.value ? 'sign-out-problem' : 'hidden'}>
        {problem.value}
      </span>
    </>
  );
}

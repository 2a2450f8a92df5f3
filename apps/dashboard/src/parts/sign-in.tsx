import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

import { signIn } from '../model/session.js';
import { Mark } from './icons.js';

export function SignIn({ isEnded }: { isEnded: boolean }) {
  const field = useRef<HTMLInputElement>(null);
  const isBusy = useSignal(false);
  const problem = useSignal('');
  useEffect(() => field.current?.focus(), []);

  async function submit(event: Event) {
    event.preventDefault();
    const input = field.current;
    const key = input?.value.trim() ?? '';
    if (isBusy.value || !input) return;
    if (!key) {
      problem.value = 'Paste your ops key first.';
      return;
    }
    isBusy.value = true;
    const refusal = await signIn(key);
    isBusy.value = false;
    problem.value = refusal ?? '';
    // The cookie holds it from here on. A key that was refused goes as well: it is pasted, not typed.
    input.value = '';
    if (refusal) input.focus();
  }

  return (
    <main class="sign-in">
      {/* Should the script fail, the key must not end up in the address: so it would be posted. */}
      <form method="post" action="dashboard/session" onSubmit={(event) => void submit(event)}>
        <Mark />
        <h1>Token broker</h1>
        <p class="sign-in-why">
          {isEnded
            ? 'Your session has ended. Sign in again to go on where you were.'
            : 'Sign in to see how it is doing.'}
        </p>
        <input
          class="hidden"
          name="username"
          autocomplete="username"
          value="token-broker"
          tabIndex={-1}
          aria-hidden="true"
          readOnly
        />
        <label for="key">Ops key</label>
        <input
          id="key"
          ref={field}
          type="password"
          autocomplete="current-password"
          spellcheck={false}
          placeholder="tbk_…"
          aria-describedby="key-help"
          aria-invalid={problem.value !== ''}
        />
        <p class="sign-in-problem" role="alert">
          {problem.value}
        </p>
        <button class="button primary" type="submit" aria-disabled={isBusy.value}>
          {isBusy.value ? 'Signing in …' : 'Sign in'}
        </button>
        <p id="key-help" class="sign-in-help">
          A caller key with the role <code>ops</code>. An admin makes one with
          <code class="block">token-broker callers add-key &lt;you&gt;</code>
        </p>
      </form>
    </main>
  );
}

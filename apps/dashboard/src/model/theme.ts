import { effect, signal } from '@preact/signals';

export const THEMES = ['auto', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const PLACE = 'token-broker-theme';

export const theme = signal<Theme>(stored());
const system = matchMedia('(prefers-color-scheme: dark)');
/** Counts up whenever colours may have changed: what is drawn on a canvas must be drawn again. */
export const paints = signal(0);

export function startTheme(): void {
  effect(() => {
    if (theme.value === 'auto') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = theme.value;
    paints.value = paints.peek() + 1;
  });
  system.addEventListener('change', () => {
    paints.value += 1;
  });
}

export function setTheme(wanted: Theme): void {
  theme.value = wanted;
  try {
    localStorage.setItem(PLACE, wanted);
  } catch {
    // A browser may forbid storage: then it lasts as long as the page.
  }
}

function stored(): Theme {
  try {
    return THEMES.find((each) => each === localStorage.getItem(PLACE)) ?? 'auto';
  } catch {
    return 'auto';
  }
}

import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

import { type Explanation, explained } from '../model/explained.js';
import type { Row } from '../model/rows.js';

/** Where the next answer would come from, as the replica that answers sees it. Asked again whenever the row changes. */
export function Explain({ row }: { row: Row }) {
  const answer = useSignal<Explanation | undefined>(undefined);
  useEffect(() => {
    let isWanted = true;
    const read = async () => {
      const told = await explained(row);
      if (isWanted) answer.value = told;
    };
    void read();
    return () => {
      isWanted = false;
    };
  }, [row]);
  return (
    <section class="explain" aria-labelledby="explain-title" aria-live="polite">
      <h3 id="explain-title">Next answer</h3>
      <p class="explain-from">{answer.value?.title ?? 'Asking …'}</p>
      {answer.value?.lines.map((line) => (
        <p key={line}>{line}</p>
      ))}
    </section>
  );
}

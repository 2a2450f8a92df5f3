import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

import { ApiError } from '../model/api.js';
import { ask, asked } from '../model/asking.js';
import { readClient } from '../model/doing.js';
import type { Row } from '../model/rows.js';
import { SwitchIcon } from './icons.js';

/** Says which way it switches, and so whether the client is enabled. */
export function ClientSwitch({ row }: { row: Row }) {
  const enabled = useSignal<boolean | undefined>(undefined);
  const isAsking = asked.value !== undefined;
  useEffect(() => {
    // Also when a question was answered: it may be another way now.
    if (isAsking) return;
    const read = async () => {
      try {
        enabled.value = (await readClient(row.client)).body.enabled;
      } catch (error) {
        // The question, when it is asked, says why.
        if (!(error instanceof ApiError)) throw error;
      }
    };
    void read();
  }, [row.client, isAsking]);
  return (
    <button class="button" type="button" onClick={() => ask('switch', row)}>
      <SwitchIcon /> {enabled.value === false ? `Enable ${row.client}` : `Disable ${row.client}`}
    </button>
  );
}

import { useSignal } from '@preact/signals';
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';

import type { TimelineEvent } from '#cluster';

import { nowMinute } from '../model/clock.js';
import { absolute, clockTime, counted } from '../model/format.js';
import { searchHash } from '../model/hash.js';
import { events, shortName } from '../model/live.js';
import { byMinute, groupOf, KIND_GROUPS, type KindGroup, sentenceOf } from '../model/timeline.js';
import { CardTitle } from './card.js';
import { KindIcon } from './icons.js';

const GROUP_WORDS: Readonly<Record<KindGroup, string>> = {
  refreshed: 'Refreshed',
  failed: 'Failed',
  invalidated: 'Invalidated',
  changed: 'Changed',
  replicas: 'Replicas',
};

export function Timeline() {
  const list = useRef<HTMLDivElement>(null);
  const group = useSignal<KindGroup | undefined>(undefined);
  const isRead = useSignal(false);
  const held = useRef<readonly TimelineEvent[]>(events.value);
  const all = events.value;
  // Whoever reads further down, or points at something, does not want it to move.
  if (!isRead.value) held.current = all;
  const waiting = isRead.value ? newerThan(held.current[0], all, group.value) : 0;
  const shown = held.current.filter(({ kind }) => group.value === undefined || groupOf(kind) === group.value);
  const follow = () => {
    list.current?.scrollTo({ top: 0 });
    isRead.value = false;
  };
  useLayoutEffect(() => list.current?.scrollTo({ top: 0 }), [group.value]);

  return (
    <section class="card timeline" aria-labelledby="timeline">
      <CardTitle id="timeline">Timeline</CardTitle>
      <div class="chips" role="group" aria-label="Kinds of events">
        <Chip isOn={group.value === undefined} onClick={() => (group.value = undefined)}>
          All
        </Chip>
        {KIND_GROUPS.map((each) => (
          <Chip key={each} isOn={group.value === each} onClick={() => (group.value = each)}>
            {GROUP_WORDS[each]}
          </Chip>
        ))}
      </div>
      <div class="timeline-frame">
        {waiting > 0 && (
          <button class="button newer" type="button" onClick={follow}>
            {counted(waiting, 'new event')}
          </button>
        )}
        <div
          class="timeline-list"
          ref={list}
          role="region"
          aria-label="Events, the newest first"
          tabIndex={0}
          onScroll={({ currentTarget }) => (isRead.value = currentTarget.scrollTop > 4)}
          onMouseEnter={() => (isRead.value = true)}
          onMouseLeave={({ currentTarget }) => (isRead.value = currentTarget.scrollTop > 4)}
        >
          {shown.length === 0 ? (
            <p class="nothing">{group.value === undefined ? 'Nothing has happened yet.' : 'Nothing of this kind.'}</p>
          ) : (
            byMinute(shown, nowMinute.value).map(({ key, label, events: inMinute }) => (
              <div key={key} class="minute">
                <h3>{label}</h3>
                <ul>
                  {inMinute.map((event) => (
                    <Event key={event.id} event={event} />
                  ))}
                </ul>
              </div>
            ))
          )}
        </div>
      </div>
    </section>
  );
}

/** Drawn once: what has happened does not change. Only the names of replicas may become shorter. */
function Event({ event }: { event: TimelineEvent }) {
  return useMemo(() => drawn(event), [event, shortName(event.replica)]);
}

function drawn(event: TimelineEvent) {
  const { subject, verb, more } = sentenceOf(event, shortName);
  const group = groupOf(event.kind);
  const atMs = Date.parse(event.at);
  const tone = event.kind === 'replica_went' ? 'went' : group;
  return (
    <li class={`event ${tone}`}>
      <span class="event-icon">
        <KindIcon group={group} />
      </span>
      <div class="event-text">
        <p>
          {event.client === undefined ? (
            <b>{subject}</b>
          ) : (
            <a href={searchHash(event.client, event.merchant_vat)}>{subject}</a>
          )}{' '}
          <span class="event-verb">{verb}</span>
        </p>
        {more && <p class="event-more">{more}</p>}
      </div>
      <time dateTime={event.at} title={absolute(atMs)}>
        {clockTime(atMs).slice(-2)}
      </time>
    </li>
  );
}

interface ChipProps {
  readonly isOn: boolean;
  readonly onClick: () => void;
  readonly children: string;
}

function Chip({ isOn, onClick, children }: ChipProps) {
  return (
    <button class="chip" type="button" aria-pressed={isOn} onClick={onClick}>
      {children}
    </button>
  );
}

function newerThan(
  first: TimelineEvent | undefined,
  all: readonly TimelineEvent[],
  group: KindGroup | undefined,
): number {
  const end = all.findIndex(({ id }) => id === first?.id);
  const newer = end === -1 ? all : all.slice(0, end);
  return newer.filter(({ kind }) => group === undefined || groupOf(kind) === group).length;
}

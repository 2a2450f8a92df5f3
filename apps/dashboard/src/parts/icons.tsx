import type { ComponentChildren } from 'preact';

import type { KindGroup } from '../model/timeline.js';

/** Drawn on 16 by 16, in the colour of the text around. Words beside them say the same: none is read out. */
function Icon({ children, size = 16 }: { children: ComponentChildren; size?: number }) {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

export const Mark = () => (
  <svg class="mark" width="22" height="22" viewBox="0 0 22 22" aria-hidden="true">
    <circle
      cx="11"
      cy="11"
      r="9"
      fill="none"
      stroke="currentColor"
      stroke-width="2.25"
      stroke-dasharray="44 12.55"
      stroke-linecap="round"
      transform="rotate(-62 11 11)"
    />
    <circle cx="11" cy="11" r="3.25" fill="currentColor" />
  </svg>
);

export const CheckIcon = ({ size = 16 }) => (
  <Icon size={size}>
    <path d="m3.5 8.5 3 3 6-7" />
  </Icon>
);
export const WarningIcon = ({ size = 16 }) => (
  <Icon size={size}>
    <path d="M8 2.25 14.5 13.5h-13zM8 6.5v3M8 11.5v.01" />
  </Icon>
);
export const CrossIcon = ({ size = 16 }) => (
  <Icon size={size}>
    <path d="m4 4 8 8m0-8-8 8" />
  </Icon>
);
export const AlertIcon = ({ size = 16 }) => (
  <Icon size={size}>
    <circle cx="8" cy="8" r="6.25" />
    <path d="M8 4.75v3.75M8 11v.01" />
  </Icon>
);
export const PauseIcon = ({ size = 16 }) => (
  <Icon size={size}>
    <path d="M4 8h.01M8 8h.01M12 8h.01" />
  </Icon>
);
export const SearchIcon = () => (
  <Icon>
    <circle cx="7" cy="7" r="4.25" />
    <path d="m10.25 10.25 3.25 3.25" />
  </Icon>
);
export const SortIcon = ({ isDescending }: { isDescending: boolean }) => (
  <Icon size={12}>
    <path d={isDescending ? 'M8 3v10m-4-4 4 4 4-4' : 'M8 13V3M4 7l4-4 4 4'} />
  </Icon>
);
export const SunIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="2.75" />
    <path d="M8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l.7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7" />
  </Icon>
);
export const MoonIcon = () => (
  <Icon>
    <path d="M13.5 9.5A5.75 5.75 0 0 1 6.5 2.5a5.75 5.75 0 1 0 7 7Z" />
  </Icon>
);
export const AutoIcon = () => (
  <Icon>
    <rect x="1.75" y="2.75" width="12.5" height="8.5" rx="1.5" />
    <path d="M5.5 13.75h5" />
  </Icon>
);
export const LeaveIcon = () => (
  <Icon>
    <path d="M6 13.5H3.5a1 1 0 0 1-1-1v-9a1 1 0 0 1 1-1H6M10.5 11l3-3-3-3M13.5 8H6" />
  </Icon>
);
export const RefreshIcon = () => (
  <Icon>
    <path d="M13 6.5A5.25 5.25 0 0 0 3.4 5.4M3 2.75v3h3M3 9.5a5.25 5.25 0 0 0 9.6 1.1M13 13.25v-3h-3" />
  </Icon>
);
export const DropIcon = () => (
  <Icon>
    <circle cx="8" cy="8" r="5.75" />
    <path d="m4 4 8 8" />
  </Icon>
);
export const KeyIcon = () => (
  <Icon>
    <circle cx="5.25" cy="10.75" r="3" />
    <path d="m7.5 8.5 6-6M11 5l2 2" />
  </Icon>
);
export const ReplicaIcon = () => (
  <Icon>
    <rect x="2.25" y="2.5" width="11.5" height="4.5" rx="1" />
    <rect x="2.25" y="9" width="11.5" height="4.5" rx="1" />
    <path d="M4.75 4.75v.01M4.75 11.25v.01" />
  </Icon>
);
export const TestIcon = () => (
  <Icon>
    <path d="M2 8h2.5L6.5 3l3 10 2-5H14" />
  </Icon>
);
export const SwitchIcon = () => (
  <Icon>
    <path d="M8 2v5.5M4.5 4.2a5.25 5.25 0 1 0 7 0" />
  </Icon>
);

export function KindIcon({ group }: { group: KindGroup }) {
  switch (group) {
    case 'refreshed':
      return <RefreshIcon />;
    case 'failed':
      return <CrossIcon />;
    case 'invalidated':
      return <DropIcon />;
    case 'changed':
      return <KeyIcon />;
    case 'replicas':
      return <ReplicaIcon />;
    default:
      return group satisfies never;
  }
}

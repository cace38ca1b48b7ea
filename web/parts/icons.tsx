import type { PageName } from '../route.ts';
import type { Look } from '../words.ts';

/** Pictures beside words: they say nothing that the words do not, so a screen reader passes them over. */

const PAGE_PATHS: Readonly<Record<Exclude<PageName, 'mutation'>, string>> = {
  timeline: 'M3 5h7M13 5h4M3 10h3M9 10h8M3 15h9M15 15h2',
  mesh: 'M10 4.5v4M6.200 13.600l2.600-3.200M13.800 13.600l-2.600-3.200M10 2.200a1.600 1.600 0 1 0 0 3.200a1.600 1.600 0 1 0 0-3.200M5 13.400a1.800 1.800 0 1 0 0 3.600a1.800 1.800 0 1 0 0-3.600M15 13.400a1.800 1.800 0 1 0 0 3.600a1.800 1.800 0 1 0 0-3.600M10 8a1.600 1.600 0 1 0 0 3.200a1.600 1.600 0 1 0 0-3.200',
  locks: 'M5 9.500h10v7H5zM7 9.500V6.500a3 3 0 0 1 6 0v3M10 12.200v1.600',
  space: 'M3 4.500h14v4H3zM3 11.500h14v4H3zM8 4.500v4M12.500 11.500v4',
  ledger: 'M5 3h10v14l-2.500-1.600L10 17l-2.500-1.600L5 17zM8 7h4M8 10.500h4',
};

export function PageIcon({ page }: { readonly page: Exclude<PageName, 'mutation'> }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d={PAGE_PATHS[page]} />
    </svg>
  );
}

const LOOK_PATHS: Readonly<Record<Look, string>> = {
  committed: 'M8 1.500a6.500 6.500 0 1 0 0 13a6.500 6.500 0 1 0 0-13M5 8.200l2.100 2.100L11.200 6',
  rolled_back: 'M3.200 3v3.600h3.600M3.500 6.400A5.300 5.300 0 1 1 2.900 9.600',
  denied: 'M8 1.800a6.200 6.200 0 1 0 0 12.400a6.200 6.200 0 1 0 0-12.400M3.700 3.700l8.600 8.600',
  quarantined: 'M8 1.800L15 14H1zM8 6.200v3.600M8 11.700v.5',
  cleared:
    'M8 2.200a5.800 5.800 0 1 0 0 11.600a5.800 5.800 0 1 0 0-11.600M8 6.500a1.500 1.500 0 1 0 0 3a1.500 1.500 0 1 0 0-3',
  queued: 'M4 1.800h8M4 14.200h8M5 1.800v2.800L8 8l-3 3.400v2.800M11 1.800v2.800L8 8l3 3.400v2.800',
  cancelled: 'M4 4l8 8M12 4l-8 8',
};

export function LookIcon({ look }: { readonly look: Look }) {
  return (
    <svg class="icon small" viewBox="0 0 16 16" aria-hidden="true">
      <path d={LOOK_PATHS[look]} />
    </svg>
  );
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 20" aria-hidden="true">
      <path d="M1 10c6-8 15-8 21-3l8-6v18l-8-6C16 18 7 18 1 10z" />
      <circle cx="8" cy="9" r="1.500" />
    </svg>
  );
}

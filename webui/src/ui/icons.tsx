// Line icons, 20 x 20. Each is one path, drawn with the colour of its text.
const paths = {
  devices: 'M7 3v2M10 3v2M13 3v2M7 15v2M10 15v2M13 15v2M3 7h2M3 10h2M3 13h2M15 7h2M15 10h2M15 13h2M5 6.5A1.5 1.5 0 0 1 6.5 5h7A1.5 1.5 0 0 1 15 6.5v7a1.5 1.5 0 0 1-1.5 1.5h-7A1.5 1.5 0 0 1 5 13.5zM8 8h4v4H8z',
  events: 'M3 10h3l2-5 4 10 2-5h3',
  waiting: 'M10 6v4l2.5 1.5M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14z',
  relay: 'M6 14a5.7 5.7 0 0 1 0-8M14 6a5.7 5.7 0 0 1 0 8M3.5 16.5a9.2 9.2 0 0 1 0-13M16.5 3.5a9.2 9.2 0 0 1 0 13M10 11a1 1 0 1 0 0-2 1 1 0 0 0 0 2z',
  hooks: 'M8 12l4-4M9 6l1.5-1.5a3.5 3.5 0 0 1 5 5L14 11M11 14l-1.5 1.5a3.5 3.5 0 0 1-5-5L6 9',
  tokens: 'M12.5 11.5a4 4 0 1 0-4-4c0 .4.060.8.170 1.2L3 14.4V17h2.6v-2h2v-2h2l.7-.7c.7.130 1.4.160 2.2-.8zM13.5 6.5h.01',
  users: 'M7.5 9.5a2.8 2.8 0 1 0 0-5.5 2.8 2.8 0 0 0 0 5.5zM2.5 16c0-2.5 2.2-4 5-4s5 1.5 5 4M13 9.5a2.3 2.3 0 1 0-.8-4.5M14.5 12.2c1.8.400 3 1.7 3 3.8',
  settings: 'M4 6h8M15 6h1M4 14h1M8 14h8M13.5 4.5v3M6.5 12.5v3M4 10h4M11 10h5M9.5 8.5v3',
  health: 'M10 16.5S3.5 12.7 3.5 8.2A3.6 3.6 0 0 1 10 6.1a3.6 3.6 0 0 1 6.5 2.1c0 4.5-6.5 8.3-6.5 8.3z',
  glossary: 'M4 4.5h4.5c.8 0 1.5.700 1.5 1.5v10c0-.8-.7-1.5-1.5-1.5H4zM16 4.5h-4.5c-.8 0-1.5.700-1.5 1.5v10c0-.8.700-1.5 1.5-1.5H16z',
  more: 'M4 6h12M4 10h12M4 14h12',
  search: 'M9 14a5 5 0 1 0 0-10 5 5 0 0 0 0 10zM16 16l-3.5-3.5',
  copy: 'M7.5 7.5V5A1.5 1.5 0 0 1 9 3.5h6A1.5 1.5 0 0 1 16.5 5v6a1.5 1.5 0 0 1-1.5 1.5h-2.5M5 7.5h6A1.5 1.5 0 0 1 12.5 9v6a1.5 1.5 0 0 1-1.5 1.5H5A1.5 1.5 0 0 1 3.5 15V9A1.5 1.5 0 0 1 5 7.5z',
  check: 'M4.5 10.5l3.5 3.5 7.5-8',
  close: 'M5 5l10 10M15 5L5 15',
  pause: 'M7 5v10M13 5v10',
  play: 'M7 4.5v11l8.5-5.5z',
  send: 'M3.5 10L16.5 4l-4 13-3-5.5zM9.5 11.5L16.5 4',
  down: 'M10 3.5v9M6 9l4 4 4-4M4 16.5h12',
  right: 'M8 5l5 5-5 5',
  back: 'M12 5l-5 5 5 5',
  warn: 'M10 4l7 12.5H3zM10 9v3.5M10 14.6h.01',
  info: 'M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM10 9.5V13M10 7h.01',
  bell: 'M10 17a1.8 1.8 0 0 0 1.7-1.2M5 13.5V9a5 5 0 0 1 10 0v4.5l1 1H4z',
  rainbow: 'M2.5 14.5a7.5 7.5 0 0 1 15 0M5.5 14.5a4.5 4.5 0 0 1 9 0M8.5 14.5a1.5 1.5 0 0 1 3 0',
  ping: 'M4 10h3M13 10h3M10 4v3M10 13v3M10 10h.01',
  edit: 'M4 16l.7-3.2L13 4.5 15.5 7l-8.3 8.3z',
  plus: 'M10 4.5v11M4.5 10h11',
  out: 'M8 4H5.5A1.5 1.5 0 0 0 4 5.5v9A1.5 1.5 0 0 0 5.5 16H8M12 13.5l3.5-3.5L12 6.5M15.5 10H8',
  clock: 'M10 6v4l2.5 1.5M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14z',
  refresh: 'M15.5 8A6 6 0 0 0 4.7 7M4.5 12a6 6 0 0 0 10.8 1M4.5 3.5V7H8M15.5 16.5V13H12',
  big: 'M4 8V4h4M12 4h4v4M16 12v4h-4M8 16H4v-4',
  minus: 'M4.5 10h11',
  qr: 'M4 4h4.5v4.5H4zM11.5 4H16v4.5h-4.5zM4 11.5h4.5V16H4zM11.5 11.5h2v2h-2zM16 11.5V16h-4.5M14.5 14.5h-1',
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
      <path d={paths[name]} />
    </svg>
  );
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="9" fill="#0b2a33" />
      <circle cx="16" cy="16" r="9.5" fill="none" stroke="#37d3ec" stroke-opacity=".4" stroke-width="2" />
      <circle cx="16" cy="16" r="5" fill="#37d3ec" />
    </svg>
  );
}

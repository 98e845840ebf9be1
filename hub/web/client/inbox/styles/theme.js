/**
 * The theme: every colour and measure, as custom properties a page can set.
 *
 * Light and dark come from the page's `color-scheme` preference; `theme="light"` or `"dark"` on the element decides it.
 * Contrast of text is at least 4.5 to 1 on every surface it stands on, in both.
 */
export const theme = /* css */ `
:host {
  color-scheme: light dark;
  --accent: var(--hub-accent, light-dark(#4f46e5, #8f8cff));
  --on-accent: var(--hub-on-accent, light-dark(#fff, #14131f));
  --accent-soft: light-dark(color-mix(in oklab, var(--accent) 8%, transparent), color-mix(in oklab, var(--accent) 16%, transparent));
  --unread: var(--hub-unread, light-dark(color-mix(in oklab, var(--accent) 3.5%, transparent), color-mix(in oklab, var(--accent) 6%, transparent)));
  --accent-hover: light-dark(color-mix(in oklab, var(--accent) 12%, transparent), color-mix(in oklab, var(--accent) 20%, transparent));
  --accent-text: var(--hub-accent-text, light-dark(#4338ca, #b4b2ff));
  --surface: var(--hub-surface, light-dark(#fff, #16181d));
  --raised: var(--hub-raised, light-dark(#fff, #1e2127));
  --hover: var(--hub-hover, light-dark(#f5f6f8, #1e2127));
  --line: var(--hub-line, light-dark(#e7e9ee, #2a2e36));
  --strong-line: light-dark(#d3d7df, #3c424d);
  --text: var(--hub-text, light-dark(#16181d, #eef0f4));
  --soft-text: var(--hub-soft-text, light-dark(#4b5260, #b3b9c6));
  --faint-text: var(--hub-faint-text, light-dark(#626a79, #949cab));
  --danger: var(--hub-danger, light-dark(#ab1d10, #ff978b));
  --danger-soft: color-mix(in oklab, var(--danger) 12%, transparent);
  --badge: var(--hub-badge, light-dark(#dc2626, #f2554a));
  --on-badge: var(--hub-on-badge, light-dark(#fff, #1a0605));
  --amber: light-dark(#8a4b00, #f5b64c);
  --blue: light-dark(#1d63d8, #7fb2ff);
  --green: light-dark(#0f7a4d, #5fd39b);
  --rose: light-dark(#c2255c, #ff8fb4);
  --teal: light-dark(#0c7489, #5fcbe0);
  --violet: light-dark(#6d3fd0, #b79bff);
  --grey: var(--soft-text);
  --radius: var(--hub-radius, 16px);
  --small-radius: calc(var(--radius) * .5);
  --shadow: var(--hub-shadow, 0 0 0 1px light-dark(#0f172a12, #ffffff1f), 0 2px 6px light-dark(#0f172a0d, #0006), 0 18px 48px -8px light-dark(#0f172a33, #000b));
  font: 400 14px/1.45 var(--hub-font, Inter, -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", "Liberation Sans", Arial, sans-serif);
  color: var(--text);
  -webkit-text-size-adjust: 100%;
}
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
:host([hidden]), [hidden] { display: none !important; }
*, ::before, ::after { box-sizing: border-box; }
h2, h3, p { margin: 0; font: inherit; }
.hidden {
  position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}
:focus { outline: none; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
`;

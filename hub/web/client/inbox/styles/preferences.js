/** The preferences: a table of switches, and quiet hours. */
export const preferences = /* css */ `
.preferences { flex: 1; overflow: auto; padding: 4px 20px 64px; scrollbar-width: thin; scrollbar-color: var(--strong-line) transparent; }
.waiting { display: flex; align-items: center; justify-content: center; gap: 10px; padding: 60px 0; color: var(--soft-text); }
table { inline-size: 100%; border-collapse: collapse; }
thead th { position: sticky; inset-block-start: -4px; z-index: 1; padding: 10px 2px 8px; background: var(--surface); color: var(--faint-text); font-size: 11.5px; font-weight: 600; line-height: 1.25; vertical-align: bottom; inline-size: 16.5%; }
thead td { position: sticky; inset-block-start: -4px; z-index: 1; background: var(--surface); }
thead :is(th, td) { box-shadow: inset 0 -1px var(--line); }
thead .icon { margin: 0 auto 4px; font-size: 14px; }
tbody tr + tr { border-block-start: 1px solid var(--line); }
tbody th { padding: 12px 8px 12px 0; text-align: start; font-weight: 550; overflow-wrap: anywhere; }
tbody th:dir(rtl) { padding: 12px 0 12px 8px; }
tbody td { padding: 8px 2px; text-align: center; vertical-align: middle; }
tbody td > .switch { display: block; margin-inline: auto; }
.every th { font-weight: 650; }
small { display: block; color: var(--faint-text); font-size: 12px; font-weight: 400; }
.locked { display: grid; place-items: center; inline-size: 34px; block-size: 20px; margin-inline: auto; color: var(--faint-text); font-size: 13px; }

.quiet { margin-block-start: 18px; padding: 16px; border-radius: calc(var(--radius) * .75); background: var(--hover); }
.quiet-head { display: flex; align-items: center; gap: 16px; }
.quiet-head > div { flex: 1; }
.quiet-fields { display: flex; flex-wrap: wrap; gap: 12px; margin-block-start: 14px; }
.quiet-fields label { display: grid; gap: 4px; flex: 1; min-inline-size: 96px; color: var(--soft-text); font-size: 12px; font-weight: 550; }
.quiet-fields .zone { flex-basis: 100%; }
.quiet-fields :is(input, select) { color: var(--text); font-weight: 400; }
`;

/** One notification: picture and dot, text, its buttons, and the tools that come with hover, focus or touch. */
export const entry = /* css */ `
.entry { border-radius: calc(var(--radius) * .75); overflow: clip; }
.entry:focus-visible { outline-offset: -2px; }
.day { padding: 12px 12px 4px; color: var(--faint-text); font-size: 12px; font-weight: 600; }
.day:empty { display: none; }
.row {
  position: relative; display: flex; gap: 12px; padding: 12px; border-radius: calc(var(--radius) * .75);
  transition: background .12s;
}
.unread .row { background: var(--unread); }
.entry + .entry .row { margin-block-start: 2px; }
.linked .row { cursor: pointer; }
@media (hover: hover) {
  .row:hover { background: var(--hover); }
  .unread .row:hover { background: var(--accent-soft); }
}

.mark { position: relative; flex: none; block-size: fit-content; }
.picture { --tint: var(--grey); display: grid; place-items: center; inline-size: 38px; block-size: 38px; border-radius: 12px; background: color-mix(in oklab, var(--tint) 13%, transparent); color: var(--tint); font-size: 16px; overflow: hidden; }
.picture img { inline-size: 100%; block-size: 100%; object-fit: cover; }
.picture[data-tint="blue"] { --tint: var(--blue); }
.picture[data-tint="green"] { --tint: var(--green); }
.picture[data-tint="amber"] { --tint: var(--amber); }
.picture[data-tint="rose"] { --tint: var(--rose); }
.picture[data-tint="violet"] { --tint: var(--violet); }
.picture[data-tint="teal"] { --tint: var(--teal); }
.dot {
  position: absolute; inset-block-start: -3px; inset-inline-end: -3px; inline-size: 11px; block-size: 11px;
  border: 2px solid var(--surface); border-radius: 50%; background: var(--accent); scale: 0; transition: scale .18s;
}
.unread .dot { scale: 1; }

.content { flex: 1; min-inline-size: 0; }
.title { font-weight: 500; color: var(--soft-text); overflow-wrap: anywhere; text-wrap: pretty; }
.unread .title { font-weight: 640; color: var(--text); }
.open { color: inherit; text-decoration: none; }
.open::after { content: ""; position: absolute; inset: 0; border-radius: inherit; }
.open:focus-visible { outline: none; }
.open:focus-visible::after { outline: 2px solid var(--accent); outline-offset: -2px; border-radius: calc(var(--radius) * .75); }
.time { white-space: nowrap; }
.unread .time { color: var(--accent-text); font-weight: 600; }
.body {
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden;
  margin-block-start: 2px; color: var(--faint-text); font-size: 13.5px; overflow-wrap: anywhere; white-space: pre-line; text-align: start;
}
.unread .body { color: var(--soft-text); }
.body:empty { display: none; }
.meta { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 8px; margin-block-start: 4px; color: var(--faint-text); font-size: 12px; }
.time:has(+ .category)::after, .category:has(+ .wakes)::after { content: "·"; margin-inline-start: 8px; color: var(--faint-text); font-weight: 400; }
.unread .meta { color: var(--soft-text); }
.flag { padding: 1px 7px; border-radius: 6px; background: color-mix(in oklab, var(--amber) 15%, transparent); color: var(--amber); font-weight: 620; }
.flag.urgent { background: var(--danger-soft); color: var(--danger); }
.repeats { padding: 0 6px; border-radius: 6px; background: var(--line); font-variant-numeric: tabular-nums; font-weight: 600; }
.wakes { display: inline-flex; align-items: center; gap: 4px; }
.choices { position: relative; display: flex; flex-wrap: wrap; gap: 8px; margin-block-start: 10px; inline-size: fit-content; }
.choices:empty { display: none; }

.tools {
  position: absolute; inset-block-start: 4px; inset-inline-end: 6px; z-index: 1; display: flex; padding: 1px;
  border-radius: 10px; background: var(--raised); box-shadow: 0 0 0 1px var(--line), 0 3px 10px -3px #0003;
  opacity: 0; transition: opacity .12s;
}
.tools .icon-button { inline-size: 28px; block-size: 28px; font-size: 13.5px; }
.row:hover .tools, .entry:focus-visible .tools, .row:has(:focus-visible) .tools { opacity: 1; }
@media (hover: none) {
  .meta { min-block-size: 32px; padding-inline-end: 124px; }
  .row:has(.choice) { padding-block-end: 48px; }
  .row:has(.choice) .meta { min-block-size: 0; padding: 0; }
  .tools { inset-block: auto 9px; opacity: 1; background: none; box-shadow: none; }
  .tools .icon-button { inline-size: 40px; block-size: 36px; font-size: 15px; }
}
@media (forced-colors: active) {
  .dot { background: Highlight; forced-color-adjust: none; }
  .unread .row { outline: 1px solid Highlight; }
  .tools { border: 1px solid ButtonText; }
}
`;

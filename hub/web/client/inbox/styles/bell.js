/** The bell, its badge, and the popover, which is a sheet where there is no room beside it. */
export const bell = /* css */ `
:host { display: inline-block; }
.bell {
  position: relative; display: grid; place-items: center; inline-size: 40px; block-size: 40px; padding: 0;
  border: 0; border-radius: 12px; background: none; color: var(--hub-bell-color, var(--text)); font-size: 18px; transition: background .12s;
}
.bell:hover, .bell[aria-expanded="true"] { background: color-mix(in oklab, var(--text) 8%, transparent); }
.badge {
  position: absolute; inset-block-start: 1px; inset-inline-start: 21px; min-inline-size: 18px; block-size: 18px; padding-inline: 5px;
  border-radius: 9px; background: var(--badge); color: var(--on-badge); font-size: 11px; font-weight: 700; line-height: 18px;
  text-align: center; white-space: nowrap; font-variant-numeric: tabular-nums; box-shadow: 0 0 0 2px var(--hub-badge-ring, var(--surface));
}
.popover {
  position: fixed; inset: auto; margin: 0; padding: 0; border: 0; overflow: visible; color: inherit;
  inline-size: var(--hub-popover-width, 420px); block-size: min(var(--hub-popover-height, 640px), calc(100dvh - 80px));
  border-radius: var(--radius); background: var(--surface); box-shadow: var(--shadow);
}
.popover:popover-open { animation: unfold .16s cubic-bezier(.2, .7, .2, 1); }
@keyframes unfold { from { opacity: 0; transform: scale(.97) translateY(-4px); } }
hub-inbox { border-radius: inherit; }
@media (max-width: 520px) {
  .popover { inset: 0 !important; inline-size: 100vw; max-inline-size: none; block-size: 100dvh; max-block-size: none; border-radius: 0; box-shadow: none; }
}
@media (forced-colors: active) { .badge { background: Highlight; color: HighlightText; forced-color-adjust: none; } .popover { border: 1px solid CanvasText; } }
`;

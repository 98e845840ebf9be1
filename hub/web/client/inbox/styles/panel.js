/** The frame: header, notice, tabs, scrolling list and what stands in its place, snackbar. */
export const panel = /* css */ `
:host { display: block; block-size: 100%; min-block-size: 0; }
.panel {
  position: relative; display: flex; flex-direction: column; block-size: 100%; min-block-size: 280px;
  overflow: hidden; background: var(--surface); border-radius: inherit;
}
.main, .side, .list { display: flex; flex-direction: column; flex: 1; min-block-size: 0; }

.header { display: flex; align-items: center; gap: 4px; padding: 14px 12px 6px 20px; }
.header:dir(rtl) { padding: 14px 20px 6px 12px; }
.back { margin-inline-start: -10px; }
.heading { flex: 1; min-inline-size: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-size: 17px; font-weight: 680; letter-spacing: -.01em; }
.heading:focus-visible { outline: none; }
.buttons { display: flex; align-items: center; gap: 2px; }
.close { display: none; }
@media (max-width: 520px) {
  :host([closable]) .close { display: grid; }
  :host([closable]) .header { padding-inline: 20px 6px; }
  :host([closable]) .buttons { gap: 0; }
  :host([closable]) .heading { font-size: 16px; }
}

.notice {
  display: flex; align-items: center; gap: 10px; margin: 4px 12px 6px; padding: 8px 12px;
  border-radius: var(--small-radius); background: var(--hover); color: var(--soft-text); font-size: 13px;
}
.notice span[role] { flex: 1; }
.notice .symbol { display: grid; font-size: 14px; }
.notice[data-kind="offline"] { background: color-mix(in oklab, var(--amber) 13%, transparent); color: var(--amber); }
.notice[data-kind="stopped"] { background: var(--danger-soft); color: var(--danger); }

.tabs { display: flex; flex: none; gap: 2px; padding-inline: 12px; overflow-x: auto; scrollbar-width: none; box-shadow: inset 0 -1px var(--line); }
.tab {
  position: relative; display: flex; align-items: center; gap: 6px; padding: 9px 9px 11px; border: 0; background: none;
  color: var(--faint-text); font-size: 13.5px; font-weight: 550; white-space: nowrap; transition: color .12s;
}
.tab:hover { color: var(--text); }
.tab[aria-selected="true"] { color: var(--text); }
.tab[aria-selected="true"]::after {
  content: ""; position: absolute; inset-inline: 9px; inset-block-end: 0; block-size: 2px;
  border-radius: 2px 2px 0 0; background: var(--accent);
}
.tab:focus-visible { outline-offset: -3px; border-radius: var(--small-radius); }
.count {
  min-inline-size: 20px; padding: 0 6px; border-radius: 10px; background: var(--accent-soft); color: var(--accent-text);
  font-size: 12px; font-weight: 650; line-height: 20px; text-align: center; font-variant-numeric: tabular-nums;
}
.filter { position: relative; cursor: pointer; }
.filter.unneeded { display: none; }
.filter.active { color: var(--accent-text); background: var(--accent-soft); }
.filter:focus-within:has(:focus-visible) { outline: 2px solid var(--accent); }
.filter select { position: absolute; inset: 0; inline-size: 100%; block-size: 100%; padding: 0; opacity: 0; cursor: pointer; }
.filter option { background: var(--raised); color: var(--text); }
.chip {
  display: flex; align-items: center; gap: 6px; align-self: flex-start; margin: 10px 20px 0; padding: 3px 8px 3px 12px; border: 0;
  border-radius: 14px; background: var(--accent-soft); color: var(--accent-text); font-size: 12.5px; font-weight: 600;
}
.chip:dir(rtl) { padding: 3px 12px 3px 8px; }
.chip .icon { font-size: 10px; }
.chip:hover { background: var(--accent-hover); }

.scroller { position: relative; flex: 1; min-block-size: 0; overflow-y: auto; overscroll-behavior: contain; overflow-anchor: none; scrollbar-width: thin; scrollbar-color: var(--strong-line) transparent; }
.feed { padding: 6px 8px 0; }
.feed:empty { padding: 0; }
.tail { display: flex; align-items: center; justify-content: center; gap: 12px; min-block-size: 12px; padding: 0 8px; color: var(--soft-text); font-size: 13px; }
.tail:not(:empty) { padding-block: 14px 18px; }
.pill {
  position: sticky; inset-block-start: 10px; z-index: 3; display: flex; align-items: center; gap: 6px; inline-size: fit-content;
  block-size: 32px; margin: 0 auto -32px; padding: 0 14px 0 10px; border: 0; border-radius: 16px; background: var(--accent);
  color: var(--on-accent); font-size: 13px; font-weight: 600; box-shadow: 0 6px 18px -4px color-mix(in oklab, var(--accent) 60%, #0008);
  animation: drop .2s ease-out;
}
@keyframes drop { from { opacity: 0; transform: translateY(-10px); } }

.blank:empty { display: none; }
.blank { position: absolute; inset: 0; inset-block-start: auto; block-size: 100%; pointer-events: none; display: flex; flex-direction: column; }
.blank > * { pointer-events: auto; }
.list { position: relative; }
.empty { display: flex; flex-direction: column; align-items: center; justify-content: center; flex: 1; gap: 4px; padding: 32px 40px 56px; text-align: center; color: var(--faint-text); text-wrap: balance; }
.empty .picture {
  display: grid; place-items: center; inline-size: 72px; block-size: 72px; margin-block-end: 14px; border-radius: 50%;
  background: var(--accent-soft); color: var(--accent-text); font-size: 26px; box-shadow: 0 0 0 12px color-mix(in oklab, var(--accent) 4%, transparent);
}
.empty .picture.warn { background: var(--danger-soft); color: var(--danger); box-shadow: 0 0 0 12px color-mix(in oklab, var(--danger) 4%, transparent); }
.empty .choice { margin-block-start: 14px; }
.lead { color: var(--text); font-size: 15px; font-weight: 620; }

.skeleton { display: flex; gap: 14px; padding: 16px 20px; }
.skeleton div { flex: 1; display: grid; gap: 10px; align-content: center; }
.bone { block-size: 11px; border-radius: 6px; background: linear-gradient(90deg, var(--line) 30%, var(--hover) 50%, var(--line) 70%) 0 0 / 300% 100%; animation: shimmer 1.6s linear infinite; }
.bone.round { inline-size: 38px; block-size: 38px; border-radius: 12px; }
.bone.short { inline-size: 55%; }
@keyframes shimmer { from { background-position: 120% 0; } to { background-position: -60% 0; } }

.snackbar {
  position: absolute; inset-inline: 12px; inset-block-end: 12px; z-index: 4; display: flex; align-items: center; gap: 12px;
  inline-size: fit-content; max-inline-size: calc(100% - 24px); min-block-size: 40px; margin-inline: auto; padding: 4px 16px;
  border-radius: 12px; background: light-dark(#20242c, #eef0f4); color: light-dark(#fff, #16181d); font-size: 13.5px; box-shadow: 0 8px 24px -6px #0007;
}
.undo { padding: 6px 4px; border: 0; background: none; color: light-dark(#b4b2ff, #4338ca); font-weight: 650; }
.undo:focus-visible { outline-color: currentColor; }

`;

/** The small things everything is made of: icons, buttons, switches, spinners, menus. */
export const widgets = /* css */ `
.icon {
  inline-size: 1.25em; block-size: 1.25em; display: block; flex: none;
  fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round;
}
.icon-back:dir(rtl) { transform: scaleX(-1); }
button, select, input { font: inherit; color: inherit; }
button { cursor: pointer; -webkit-tap-highlight-color: transparent; }

.icon-button {
  display: grid; place-items: center; inline-size: 32px; block-size: 32px; padding: 0; flex: none;
  border: 0; border-radius: var(--small-radius); background: none; color: var(--faint-text);
  transition: background .12s, color .12s;
}
.icon-button:hover { background: var(--hover); color: var(--text); }
.icon-button:active { background: var(--line); }
.icon-button:disabled { opacity: .4; cursor: default; background: none; }

.choice {
  display: inline-flex; align-items: center; min-block-size: 30px; padding: 4px 12px;
  border: 1px solid var(--strong-line); border-radius: var(--small-radius);
  background: var(--raised); color: var(--text); font-size: 13px; font-weight: 550; text-decoration: none;
  transition: background .12s, border-color .12s;
}
.choice:hover { background: var(--hover); border-color: var(--faint-text); }
.choice.first { background: var(--accent); border-color: transparent; color: var(--on-accent); }
.choice.first:hover { background: color-mix(in oklab, var(--accent) 88%, var(--text)); }

.switch {
  appearance: none; position: relative; inline-size: 34px; block-size: 20px; margin: 0; flex: none; cursor: pointer;
  border: 0; border-radius: 10px; background: light-dark(#aab1bf, #4a515e); transition: background .15s;
}
.switch::before {
  content: ""; position: absolute; inset-block-start: 2px; inset-inline-start: 2px;
  inline-size: 16px; block-size: 16px; border-radius: 50%; background: #fff; box-shadow: 0 1px 2px #0005;
  transition: inset-inline-start .15s;
}
.switch:checked { background: var(--accent); }
.switch:checked::before { inset-inline-start: 16px; }
.switch:disabled { opacity: .45; cursor: default; }

.spinner {
  display: inline-block; inline-size: 1.1em; block-size: 1.1em; flex: none;
  border: 2px solid var(--line); border-block-start-color: var(--accent); border-radius: 50%;
  animation: turn .8s linear infinite;
}
@keyframes turn { to { transform: rotate(1turn); } }

.menu {
  position: fixed; inset: auto; margin: 0; padding: 6px; min-inline-size: 250px; border: 0;
  border-radius: calc(var(--radius) * .75); background: var(--raised); color: var(--text); box-shadow: var(--shadow);
}
.menu:popover-open { animation: appear .14s ease-out; }
@keyframes appear { from { opacity: 0; transform: scale(.96); } }
.menu-title { padding: 6px 10px 4px; font-size: 12px; font-weight: 600; color: var(--faint-text); }
.menu-item {
  display: flex; justify-content: space-between; align-items: center; gap: 24px; inline-size: 100%; min-block-size: 36px;
  padding: 6px 10px; border: 0; border-radius: var(--small-radius); background: none; text-align: start;
}
.menu-item:hover, .menu-item:focus-visible { background: var(--hover); }
.menu-item:focus-visible { outline-offset: -2px; }
.when { color: var(--faint-text); font-size: 13px; font-variant-numeric: tabular-nums; }
.picker {
  display: flex; gap: 8px; margin-block-start: 6px; padding: 10px 4px 4px; border-block-start: 1px solid var(--line);
}
input[type="datetime-local"], input[type="time"], select {
  min-inline-size: 0; min-block-size: 32px; padding: 4px 8px; border: 1px solid var(--strong-line);
  border-radius: var(--small-radius); background: var(--surface); font-size: 13px;
}
.picker input { flex: 1; }

@media (pointer: coarse) {
  .icon-button { inline-size: 40px; block-size: 40px; }
  .choice, .menu-item { min-block-size: 40px; }
}
@media (prefers-reduced-motion: reduce) {
  *, ::before, ::after { transition: none !important; animation: none !important; }
  .spinner { border-block-start-color: var(--line); border-inline-start-color: var(--accent); }
}
@media (forced-colors: active) {
  .icon-button, .switch, .choice.first { border: 1px solid ButtonText; }
  .switch:checked { background: Highlight; forced-color-adjust: none; }
}
`;

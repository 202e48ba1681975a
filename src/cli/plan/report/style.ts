/** What the page of a plan has beyond a drill's report. Pictures shrink to a telephone; their words and pins grow there. */
export const PLAN_STYLE = `
:root{--sea:#eef2f6;--land:#d9dee5;--users:#2563a8;--late:#d98a1f;--c1:#2563a8;--c2:#0b8a72;--c3:#b9741a;--c4:#8a4fb0;--c5:#6d7986;--c6:#c0567a;--c7:#3a7f3f}
@media (prefers-color-scheme:dark){:root{--sea:#161b21;--land:#2a313a;--users:#6ea8ea;--late:#e6a04a;--c1:#6ea8ea;--c2:#3fc9ad;--c3:#e0a63b;--c4:#bb8fe0;--c5:#8593a3;--c6:#e889a8;--c7:#7fc184}}
.drawn svg{min-width:0;border-radius:10px}
.drawn{overflow:visible}
svg .sea{fill:var(--sea)}svg .land{fill:var(--land);stroke:var(--ground);stroke-width:.6}
svg .users{fill:var(--users);fill-opacity:.42}svg .late{fill:var(--late);fill-opacity:.6}
svg .link{fill:none;stroke:var(--ink);stroke-width:1.6;opacity:.75}svg .link.side{stroke-width:.8;opacity:.35;stroke-dasharray:3 3}
svg .link.waits{stroke:var(--good);stroke-width:2.4;opacity:1}
svg .rtt{font-size:12px;font-weight:600;paint-order:stroke;stroke:var(--sea);stroke-width:4px}
svg .pin circle{fill:var(--standby);stroke:var(--ground);stroke-width:2}
svg .pin.primary circle{fill:var(--good)}svg .pin.sync circle{fill:var(--ack)}svg .pin.async circle{fill:var(--c4)}svg .pin.backup circle{fill:var(--bar)}svg .pin.witness rect{fill:var(--c7);stroke:var(--ground);stroke-width:2}
svg .pin .number{fill:#fff;font-size:11px;font-weight:700}
svg .pin .label{font-size:12px;font-weight:600;paint-order:stroke;stroke:var(--sea);stroke-width:4px}
svg .band{fill:var(--ack);opacity:.16}svg .now,svg .lost{fill:none;stroke:var(--ack);stroke-width:2.5;stroke-linejoin:round}
svg .lost{stroke:var(--fail);stroke-width:1.8;stroke-dasharray:6 4}
@media (min-width:900px){.figures{grid-template-columns:repeat(3,1fr)}}
svg .marked{paint-order:stroke;stroke:var(--ground);stroke-width:4px}
svg .met{fill:var(--good)}svg .missed{fill:var(--bad)}
.regions{list-style:none;margin:12px 0 0;padding:0;display:grid;grid-template-columns:repeat(auto-fit,minmax(240px,1fr));gap:10px}
.regions li{background:var(--panel);border-radius:10px;padding:10px 14px;font-size:14px;line-height:1.45}
.regions b{display:block;font-size:15px}.regions i{display:inline-block;font-style:normal;font-weight:700;font-size:12px;color:#fff;border-radius:50%;width:20px;height:20px;line-height:20px;text-align:center;margin-right:8px;background:var(--standby)}
.regions .primary i{background:var(--good)}.regions .sync i{background:var(--ack)}.regions .async i{background:var(--c4)}.regions .backup i{background:var(--bar)}.regions .witness i{background:var(--c7);border-radius:3px}
.regions span{display:block;color:var(--quiet);font-size:13px}
@media (prefers-color-scheme:dark){svg .pin .number,.regions i{fill:#0d1013;color:#0d1013}}
.stack{margin:14px 0 6px;font-size:14px}
.stack div{display:grid;grid-template-columns:150px 1fr 70px;gap:2px 14px;align-items:center;margin:7px 0}
.stack div b{order:2;text-align:right}.stack .row{order:1}
.stack .row{display:flex;height:20px;border-radius:4px;overflow:hidden}
.stack .row i{display:block;height:100%;background:var(--c)}
.stack b{font-weight:500;font-variant-numeric:tabular-nums}
tr.sum td{font-weight:650;border-top:2px solid var(--line)}
details{margin-top:8px}summary{cursor:pointer;color:var(--quiet);font-size:14px;padding:6px 0}
ul.plain{margin:6px 0;padding-left:18px;font-size:14px}
.warn{border-left:4px solid var(--bad);padding:2px 0 2px 14px;margin:10px 0}
@media (max-width:640px){svg .label{display:none}svg .pin circle{r:19px;stroke-width:3px}svg .pin .number{font-size:22px}svg .rtt{font-size:22px}
.drawn svg .tick{font-size:19px}.drawn svg .marked{font-size:20px}.stack div{grid-template-columns:1fr max-content}.stack .row{grid-column:1/-1;order:3}.long table{min-width:680px}td:first-child{min-width:120px}}
`;

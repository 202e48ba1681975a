/** Everything the page looks like. No font, picture or script is fetched from anywhere. */
export const STYLE = `
:root{color-scheme:light dark;--ground:#fff;--panel:#f6f7f9;--ink:#16191d;--quiet:#5d6673;--line:#dde1e7;--good:#137a4b;--bad:#c0262d;
--open:#8a5a00;--ack:#2563a8;--ack2:#0b8a72;--fail:#d5424a;--fault:#c0262d;--standby:#c6cdd6;--closed:#e0a63b;--none:#eceff3;--bar:#7c8896}
@media (prefers-color-scheme:dark){:root{--ground:#111418;--panel:#1a1f25;--ink:#e8ebef;--quiet:#98a2b0;--line:#2c333c;--good:#3fc48a;--bad:#ff7479;
--open:#e6b04a;--ack:#6ea8ea;--ack2:#3fc9ad;--fail:#ff7479;--fault:#ff7479;--standby:#475261;--closed:#b98528;--none:#20262d;--bar:#8593a3}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main{max-width:1080px;margin:0 auto;padding:36px 24px 64px}
h1{font-size:30px;line-height:1.2;margin:0;font-weight:650;letter-spacing:-.01em;text-wrap:balance}
h2{font-size:17px;margin:44px 0 4px;font-weight:650}
p{margin:4px 0 12px;max-width:76ch}
a{color:var(--ack)}
.quiet,.about{color:var(--quiet)}
.about{font-size:13px;margin:0 0 22px;display:flex;flex-wrap:wrap;gap:2px 18px}
.verdict{display:flex;gap:20px;align-items:flex-start;border-left:6px solid var(--tone);padding:4px 0 4px 20px}
.verdict .word{font-weight:700;letter-spacing:.06em;color:var(--tone);font-size:15px;display:block;margin-bottom:6px}
.verdict p{margin:10px 0 0;font-size:16px}
.pass{--tone:var(--good)}.fail{--tone:var(--bad)}.inconclusive{--tone:var(--open)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(220px,1fr));gap:12px;margin:28px 0 8px}
.figure{background:var(--panel);border-radius:10px;padding:14px 16px 13px}
.figure b{display:block;font-size:13px;font-weight:500;color:var(--quiet)}
.figure strong{display:block;font-size:29px;line-height:1.25;font-weight:650;font-variant-numeric:tabular-nums;letter-spacing:-.01em}
.figure span{display:block;font-size:13px;color:var(--quiet);line-height:1.45}
.meter{height:5px;border-radius:3px;background:var(--line);margin:8px 0 8px;overflow:hidden}
.meter i{display:block;height:100%;background:var(--tone,var(--ack));border-radius:3px;min-width:3px}
figure{margin:12px 0 0;overflow-x:auto}
figcaption{color:var(--quiet);font-size:13px;margin-top:4px;max-width:84ch}
svg{display:block;width:100%;min-width:720px;height:auto;font:12px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif}
svg text{fill:var(--ink)}
svg .tick,svg .soft{fill:var(--quiet);font-size:11px}
svg .grid{stroke:var(--line);stroke-width:1}
svg .base{stroke:var(--quiet);stroke-width:1;opacity:.5}
svg .mark{stroke:var(--ink);stroke-width:1.2;stroke-dasharray:3 3}
svg .hint{stroke:var(--closed);stroke-width:1;opacity:.8}
svg .marked{font-size:11.5px;font-weight:600}
svg .down{fill:var(--fault);opacity:.09}
svg .gap{fill:var(--fault);opacity:.11}
svg .ok{fill:var(--bar)}svg .no{fill:var(--fail)}
svg .step{fill:var(--quiet)}svg .step.ack{fill:var(--ack2)}
svg .standby{fill:var(--standby)}svg .closed{fill:var(--closed)}svg .none{fill:var(--none)}
svg .silent{fill:none;stroke:var(--quiet);stroke-dasharray:2 3}
svg .e0{fill:var(--ack)}svg .e1{fill:var(--ack2)}
svg .role{fill:#fff;font-size:10.5px;font-weight:600}
@media (prefers-color-scheme:dark){svg .role{fill:#0d1013}}
.key{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:13px;color:var(--quiet);margin:6px 0 0}
.key i{display:inline-block;width:11px;height:11px;border-radius:2px;margin-right:6px;vertical-align:-1px;background:var(--c)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;margin-top:8px;font-size:14px}
th{text-align:left;font-weight:500;color:var(--quiet);font-size:13px}
th,td{padding:7px 14px 7px 0;border-bottom:1px solid var(--line);vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td:first-child{white-space:nowrap}
.state{font-weight:600;color:var(--tone)}
code,pre{font:13px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{background:var(--panel);border-radius:8px;padding:12px 14px;overflow-x:auto;margin:8px 0;white-space:pre-wrap;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:minmax(130px,max-content) 1fr;gap:6px 18px;margin:8px 0;font-size:14px}
dt{color:var(--quiet)}dd{margin:0;max-width:78ch;overflow-wrap:anywhere}
footer{margin-top:48px;padding-top:12px;border-top:1px solid var(--line);color:var(--quiet);font-size:13px}
@media (max-width:640px){main{padding:22px 16px 48px}h1{font-size:24px}dl{grid-template-columns:1fr}dd{margin-bottom:6px}td:first-child{white-space:normal}}
@media print{:root{color-scheme:light;--ground:#fff;--panel:#f3f4f6;--ink:#000;--quiet:#444;--line:#ccc;--good:#0d6b40;--bad:#b01c23;--open:#7a4f00;
--ack:#1d5596;--ack2:#08705d;--fail:#b01c23;--fault:#b01c23;--standby:#c6cdd6;--closed:#d39a2c;--none:#eee;--bar:#6d7986}
body{font-size:10.5pt;-webkit-print-color-adjust:exact;print-color-adjust:exact}main{max-width:none;padding:0}svg{min-width:0}svg .role{fill:#fff}
h2{break-after:avoid}figure,.figures,tr,dl,pre{break-inside:avoid}@page{margin:14mm}}
`;

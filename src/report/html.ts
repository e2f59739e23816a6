// Law: pure. One page that needs nothing else: no network, light and dark, on a phone and on paper.
import { ladderStyle } from './ladder-svg.ts'
import { escaped, scriptJson } from './markup.ts'

export type PageOptions = {
  readonly title: string
  readonly about: string
  /** HTML. */
  readonly sections: readonly string[]
  /** What the script works on. */
  readonly data?: unknown
  readonly script?: string
}

const style = `
:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--faint:#5f6873;--line:#d4d9df;--accent:#005a96;--mark:#7a4d00;--dropped:#b53c00}
@media (prefers-color-scheme:dark){:root{--ink:#e6e9ed;--paper:#14171b;--faint:#9aa3ad;--line:#333a43;--accent:#7cc4f5;--mark:#f0c648;--dropped:#ff8c52}}
*{box-sizing:border-box}body{margin:0 auto;padding:1rem;max-width:90rem;color:var(--ink);background:var(--paper);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.2rem;margin:1.6rem 0 .5rem}p.about{color:var(--faint);margin:.2rem 0 1rem;max-width:60rem}
.wide{overflow-x:auto;max-width:100%}button,select,input{font:inherit;color:inherit;background:transparent;border:1px solid var(--line);border-radius:4px;padding:.2rem .6rem}
select,input{background:var(--paper)}button{cursor:pointer}:focus-visible{outline:3px solid var(--mark);outline-offset:1px}a{color:var(--accent)}
button.main{background:var(--accent);color:var(--paper);border-color:var(--accent);font-weight:bold;padding:.3rem 1.2rem}
table{border-collapse:collapse}caption{text-align:left;color:var(--faint);font-size:.85rem;padding:.2rem 0}table.plain td,table.plain th{border-bottom:1px solid var(--line);padding:.2rem .7rem;text-align:left;font-size:.9rem}
.heatmap th{font-weight:normal;font-size:.8rem;white-space:nowrap;text-align:right;padding:0 .4rem}.heatmap tbody th{position:sticky;left:0;background:var(--paper)}.heatmap thead th{height:7.5rem;vertical-align:bottom;padding:0}
.heatmap thead span{display:block;writing-mode:vertical-rl;transform:rotate(180deg);padding:.2rem .5rem}.heatmap td{padding:1px}
.cell{width:2.9rem;height:2rem;padding:0;border-radius:2px;font-size:.85rem;background:rgb(0 90 150 / calc(var(--share)*.9 + .02))}
.cell.deep{color:#fff}.cell[aria-pressed=true]{outline:3px solid var(--mark)}
.distribution{margin:0;max-width:44rem}.distribution svg{width:100%;font:12px system-ui,sans-serif}.distribution text{fill:var(--faint)}.distribution .bar{fill:var(--accent)}.distribution .axis{stroke:var(--faint)}
figcaption{font-size:.9rem;color:var(--faint)}ol.story{list-style:none;padding:0;max-width:60rem}ol.story li{padding:.15rem 0 .15rem 7.2rem;text-indent:-7.2rem;overflow-wrap:anywhere}
ol.story time{display:inline-block;white-space:nowrap;width:6.4rem;margin-right:.8rem;text-indent:0;text-align:right;color:var(--faint);font-variant-numeric:tabular-nums}
li.decisive{font-weight:600}li.decisive time::after{content:" \\25c6";color:var(--mark)}.verdict{font-weight:bold}.why{color:var(--dropped)}
.runs{display:flex;flex-wrap:wrap;gap:.3rem;list-style:none;padding:0}.runs .bad{border-style:dashed;border-color:var(--dropped)}.runs button[aria-pressed=true]{outline:3px solid var(--mark)}
form.lab{display:flex;flex-wrap:wrap;gap:.7rem 1rem;align-items:end;margin:1rem 0}form.lab label{display:flex;flex-direction:column;font-size:.85rem;color:var(--faint)}form.lab input{width:6.5rem}
form.lab label>*{color:var(--ink)}nav.lessons ul{columns:18rem;padding-left:1.2rem}.wait{visibility:hidden}.lesson{border-left:4px solid var(--mark);padding:.1rem 1rem;max-width:60rem}code{overflow-wrap:anywhere}
@media (max-width:40rem){ol.story li{padding-left:0;text-indent:0}ol.story time{display:block;text-align:left}h1{font-size:1.3rem}}
@media print{:root{--ink:#000;--paper:#fff;--faint:#555;--line:#bbb;--accent:#005a96;--mark:#7a4d00;--dropped:#b53c00}body{max-width:none;color:#000;background:#fff}form,nav,.runs{display:none}.ladder{max-width:100%;height:auto}.cell{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
${ladderStyle}`

export const pageHtml = ({ title, about, sections, data, script }: PageOptions): string =>
  `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escaped(title)}</h1>
<p class="about">${escaped(about)}</p>
${sections.join('\n')}
</main>
${data === undefined ? '' : `<script type="application/json" id="data">${scriptJson(data)}</script>`}
${script === undefined ? '' : `<script>${script}</script>`}
</body>
</html>
`

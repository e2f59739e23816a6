// Bundles the script of all pages, dist/page/script.js, and makes the lab one static page of it: dist/page/index.html.
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { pageHtml } from '../dist/report/html.js'

const path = name => fileURLToPath(new URL(name, import.meta.url))

const { outputFiles } = await build({
  entryPoints: [path('main.ts')],
  bundle: true,
  minify: true,
  format: 'iife',
  target: 'es2022',
  charset: 'utf8',
  write: false,
  outdir: path('../dist/page'),
  alias: { 'node:crypto': path('shims/crypto.ts'), 'node:zlib': path('shims/zlib.ts') },
})
const script = outputFiles[0].text
mkdirSync(path('../dist/page'), { recursive: true })
writeFileSync(path('../dist/page/script.js'), script)

const html = pageHtml({
  title: 'The NAT lab',
  about:
    'Two computers behind NATs want to talk. The program that you watch is the real one, server and clients; only the network and the NATs are simulated, in this page, by seed.',
  sections: ['<div id="app"></div>'],
  script,
})
writeFileSync(path('../dist/page/index.html'), html)

// What `tsc` does not do: the editor's half of every node and plugin of package.json, and the example flows.
import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { 'node-red': Record<'nodes' | 'plugins', Record<string, string>> }
/** Of all forms. */
const style = await readFile(join(root, 'nodes', 'shared', 'editor', 'form.css'), 'utf8')

const { nodes, plugins } = manifest['node-red']
for (const [node, entry] of Object.entries({ ...nodes, ...plugins })) {
  const source = join(root, 'nodes', node)
  const target = dirname(join(root, entry))
  await readFile(join(root, entry)) // tsc has put it there, or the build is wrong

  const script = await bundle(join(source, 'editor.ts'))
  const templates = await readFile(join(source, 'editor.html'), 'utf8')
  const parts = [...node in nodes ? [`<style>\n${style}</style>`] : [], `<script type="text/javascript">\n${script}</script>`, templates]
  await writeFile(join(target, `${node}.html`), parts.join('\n'))

  await replace(join(source, 'locales'), join(target, 'locales'))
  // Where Node-RED looks for `es-MX`, and for `LANG=es_MX.UTF-8`.
  for (const [locale, language] of [['es-ES', 'es'], ['pt-BR', 'pt']] as const) await replace(join(source, 'locales', locale), join(target, 'locales', language))
  if (!(node in nodes)) continue
  // Only the node's own icon: Node-RED would list every icon once for each folder it is found in.
  await rm(join(target, 'icons'), { recursive: true, force: true })
  await cp(join(root, 'icons', `${node}.svg`), join(target, 'icons', `${node}.svg`))
}

const examples = join(root, 'examples')
await rm(examples, { recursive: true, force: true })
await mkdir(examples)
for (const flow of await readdir(join(root, 'flows'))) {
  if (flow.endsWith('.json')) await cp(join(root, 'flows', flow), join(examples, flow))
}

// npx runs them in a clone, too.
const { bin } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { bin: Record<string, string> }
for (const command of Object.values(bin)) await chmod(join(root, command), 0o755)

/** One plain script for the browser. */
async function bundle (entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'iife',
    target: 'es2020',
    charset: 'utf8',
    sourcemap: false,
    tsconfigRaw: '{}'
  })
  const [file] = outputFiles
  if (file === undefined) throw new Error(`esbuild made nothing of ${entry}`)
  // It would end the script element early.
  if (/<\/script/i.test(file.text)) throw new Error(`${entry} contains "</script"`)
  return file.text
}

async function replace (from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true })
  await cp(from, to, { recursive: true })
}

